"""Commands come as lines of JSON on standard input, answers go as lines of JSON to standard output. The end of input ends the process."""

import json
import sys


def answer(value):
    print(json.dumps(value), flush=True)


def serve(work):
    """`work`: from a command's name to a function of workload and window in seconds that returns what is answered."""
    answer({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer({"result": work[command["work"]](command["workload"], command["windowMs"] / 1000)})
        except Exception as error:  # pylint: disable=broad-except
            answer({"error": f"{type(error).__name__}: {error}"})
