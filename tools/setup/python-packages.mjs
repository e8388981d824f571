// Packages of Python for one purpose, in a folder of their own under .native: nothing of the system's Python is touched.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from './lock.mjs';
import { PATHS } from './paths.mjs';
import { Progress } from './progress.mjs';
import { run } from './run.mjs';
import { digest, readStamp } from './wheels.mjs';

/** Those that the pinned packages have wheels for. */
const VERSIONS = ['3.11', '3.12', '3.13'];
const CANDIDATES = ['python3', ...VERSIONS.map((version) => `python${version}`)];

/**
 * Does nothing when they are there.
 *
 * @param {{ name: string, title: string, requirements: string, wanted: string }} options `name` of the folder; `wanted`: what needs them, for the message
 * @returns {Promise<{ python: string, site: string }>} program and PYTHONPATH
 * @throws Error that says what to install
 */
export async function installPythonPackages({ name, title, requirements, wanted }) {
  const folder = join(PATHS.native, name);
  const site = join(folder, 'site');
  const stampFile = join(folder, 'stamp.json');
  const python = findPython(wanted);
  const stamp = { program: python.program, digest: digest(readFileSync(requirements, 'utf8'), python.version) };
  const installed = { python: python.program, site };
  if (readStamp(stampFile) === JSON.stringify(stamp)) return installed;
  const lock = await acquireLock((holder) => console.error(`Waiting for another setup (process ${holder}).`));
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const pip = [python.program, '-m', 'pip', 'install', '--only-binary=:all:', '--progress-bar', 'off'];
    await new Progress(1).step(title, () =>
      run(name, [...pip, '--target', site, '-r', requirements], {
        lockFd: lock.fd,
        env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      }),
    );
    writeFileSync(stampFile, JSON.stringify(stamp));
    return installed;
  } finally {
    lock.release();
  }
}

function findPython(wanted) {
  for (const program of CANDIDATES) {
    const version = versionOf(program);
    if (version && VERSIONS.includes(version)) return { program, version };
  }
  throw new Error(
    `${wanted} needs Python ${VERSIONS.join(', ')} with pip: install one of them (python3 -m pip must work).`,
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
