import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';

/** apps/cli's watchdog ends processes whose parent has died without a word (kill -9): it reads their ids from its standard input. */
const WATCHDOG = path.resolve(import.meta.dirname, '../../../apps/cli/dist/watchdog.js');
const stops = new Set<() => Promise<void>>();
let watchdog: ChildProcess | null = null;

/** Called at the end of the run, also of one that is interrupted. Returns a function that calls it at once. */
export function onEnd(stop: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  const once = (): Promise<void> => (done ??= stop().finally(() => stops.delete(once)));
  stops.add(once);
  return once;
}

export async function endAll(): Promise<void> {
  // Last started, first ended.
  for (const stop of [...stops].reverse()) await stop().catch((error: unknown) => console.error(String(error)));
}

/** Ends the process even when this one is killed. */
export function guard(child: ChildProcess): void {
  if (!watchdog) {
    watchdog = spawn(process.execPath, [WATCHDOG], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    watchdog.stdin?.on('error', () => undefined);
    (watchdog.stdin as unknown as { unref?: () => void }).unref?.();
    watchdog.unref();
  }
  if (child.pid === undefined) return;
  watchdog.stdin?.write(`${child.pid}\n`);
  child.once('exit', () => watchdog?.stdin?.write(`${-child.pid!}\n`));
}

/** SIGTERM, then SIGKILL after `graceMs`. */
export async function endProcess(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(timer);
}
