import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setInterval } from 'node:timers';
import { PATHS, ROOT } from './paths.mjs';
import { projectEnvironment } from './run.mjs';

/** How often to look whether npm is still there; a dead npm forwards no signals. */
const ORPHAN_CHECK_MS = 500;

/**
 * Runs a program under Node 24, as good as exec: same terminal, signals passed on, same exit code, and the program never outlives this
 * process's parent.
 *
 * @param {string[]} command a compiled program and its arguments
 * @param {{ env?: Record<string, string> }} options env: added to the project's environment
 */
export function become(command, { env = {} } = {}) {
  const child = spawn(PATHS.node, command, {
    cwd: ROOT,
    env: { ...projectEnvironment(), ...env },
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; a second one might mean "at once" there.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  const parent = process.ppid;
  const orphanCheck = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) child.kill('SIGTERM');
  }, ORPHAN_CHECK_MS);
  orphanCheck.unref();
  child.on('error', (error) => {
    console.error(`Could not run ${PATHS.node}: ${error.message}`);
    process.exit(1);
  });
  child.on('close', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
