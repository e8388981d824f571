"""Unpacks parts of a wheel: unpack_wheel.py WHEEL DESTINATION PREFIX=FOLDER ...

Every file of the wheel whose path starts with PREFIX lands in DESTINATION/FOLDER under the rest of its path; files
directly wanted are named in full. Python unpacks because pip already needs it, so `unzip` is not one more tool to
install, and zipfile checks each file's CRC.
"""

import os
import shutil
import sys
import zipfile


def main(wheel, destination, *rules):
    rules = [rule.split("=", 1) for rule in rules]
    unused = {prefix for prefix, _ in rules}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            rule = next((r for r in rules if entry.filename.startswith(r[0]) and not entry.is_dir()), None)
            if rule is None:
                continue
            prefix, folder = rule
            unused.discard(prefix)
            rest = entry.filename[len(prefix):] or os.path.basename(prefix)
            target = os.path.join(destination, folder, rest)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    if unused:
        sys.exit(f"{os.path.basename(wheel)} has no {', '.join(sorted(unused))}")


main(*sys.argv[1:])
