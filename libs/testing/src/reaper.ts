import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';

let reaper: ChildProcess | undefined;

/**
 * Sees to it that a process does not outlive this one, whatever ends this one (kill -9 too). Give the child itself: it is forgotten
 * when it exits.
 */
export const endWithMe = (child: ChildProcess): void => {
  const { pid } = child;
  if (pid === undefined) return;
  if (reaper === undefined) {
    const main = `reaper-main${path.extname(import.meta.filename)}`;
    reaper = spawn(process.execPath, ['--no-warnings', path.join(import.meta.dirname, main)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, NODE_OPTIONS: '' },
      // A terminal's Ctrl-C must not reach it.
      detached: true,
    });
    reaper.stdin?.on('error', () => undefined);
    (reaper.stdin as unknown as { unref?: () => void }).unref?.();
    reaper.unref();
  }
  reaper.stdin?.write(`${pid}\n`);
  child.once('exit', () => reaper?.stdin?.write(`-${pid}\n`));
};
