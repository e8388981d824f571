// Python's TensorFlow for `npm run bench -- --peers`, in a folder of its own: nothing of the system's Python is touched.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from './lock.mjs';
import { PATHS, ROOT } from './paths.mjs';
import { Progress } from './progress.mjs';
import { run } from './run.mjs';
import { digest, readStamp } from './wheels.mjs';

const folder = join(PATHS.native, 'peers');
const stampFile = join(folder, 'stamp.json');
const requirements = join(ROOT, 'bench', 'peers', 'requirements.txt');
/** Those that the pinned packages have wheels for. */
const VERSIONS = ['3.11', '3.12', '3.13'];
const CANDIDATES = ['python3', ...VERSIONS.map((version) => `python${version}`)];

/** Does nothing when it is there. @throws Error that says what to install */
export async function installPeers() {
  const python = findPython();
  const stamp = { program: python.program, digest: digest(readFileSync(requirements, 'utf8'), python.version) };
  if (readStamp(stampFile) === JSON.stringify(stamp)) return;
  const lock = await acquireLock((holder) => console.error(`Waiting for another setup (process ${holder}).`));
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const pip = [python.program, '-m', 'pip', 'install', '--only-binary=:all:', '--progress-bar', 'off'];
    await new Progress(1).step("Python's TensorFlow", () =>
      run('peers', [...pip, '--target', join(folder, 'site'), '-r', requirements], {
        lockFd: lock.fd,
        env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      }),
    );
    writeFileSync(stampFile, JSON.stringify(stamp));
  } finally {
    lock.release();
  }
}

function findPython() {
  for (const program of CANDIDATES) {
    const version = versionOf(program);
    if (version && VERSIONS.includes(version)) return { program, version };
  }
  throw new Error(
    `--peers needs Python ${VERSIONS.join(', ')} with pip: install one of them (python3 -m pip must work).`,
  );
}

function versionOf(program) {
  try {
    const code = 'import sys, pip; print("%d.%d" % sys.version_info[:2])';
    return execFileSync(program, ['-c', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined; // Not there, or without pip.
  }
}
