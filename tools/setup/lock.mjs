import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync, ftruncateSync } from 'node:fs';
import { clearTimeout, setTimeout } from 'node:timers';
import { PATHS } from './paths.mjs';

/**
 * Waits until no other setup works in this checkout, then holds the lock until `release` is called or this process and
 * all the commands that it started are gone.
 *
 * The kernel keeps the lock (flock), so a killed setup leaves nothing stale behind. A lock file with a pid in it would:
 * kill -9 ends this process but not its `npm ci`, which goes on writing. Node has no flock; a short-lived Python takes
 * it on a file descriptor that it shares with this process. The commands get the same descriptor (run.mjs).
 *
 * @param {(holder: string) => void} onWait called once when another setup holds the lock
 * @returns {Promise<{ fd: number, release: () => void }>}
 */
export async function acquireLock(onWait) {
  mkdirSync(PATHS.native, { recursive: true });
  // Append mode creates the file without truncating the pid that a holder wrote.
  const fd = openSync(PATHS.lock, 'a+');
  const timer = setTimeout(() => onWait(readFileSync(PATHS.lock, 'utf8').trim()), 500);
  try {
    await flock(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    clearTimeout(timer);
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return { fd, release: () => closeSync(fd) };
}

function flock(fd) {
  return new Promise((resolve, reject) => {
    const python = spawn('python3', ['-c', 'import fcntl; fcntl.flock(3, fcntl.LOCK_EX)'], {
      stdio: ['ignore', 'ignore', 'pipe', fd],
    });
    let stderr = '';
    python.stderr.on('data', (data) => (stderr += data));
    python.on('error', reject);
    python.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`Could not lock ${PATHS.lock}: ${stderr.trim() || `exit code ${code}`}`)),
    );
  });
}
