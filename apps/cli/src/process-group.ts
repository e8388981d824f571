import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A service is given this long after SIGTERM; services promise 10 s. */
const TERM_GRACE_MS = 11_000;
/** A process that dies sooner than this after its start has a problem that a restart does not cure. */
const HEALTHY_AFTER_MS = 5_000;
const MAX_QUICK_DEATHS = 3;

export interface ProcessSpec {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  /** Order of the end: higher ones are ended first. */
  rank: number;
}

interface Managed {
  spec: ProcessSpec;
  child: ChildProcess;
  startedAt: number;
  quickDeaths: number;
  exited: Promise<void>;
}

/**
 * The processes of a local cluster: each logs to a file of its own, one that dies is started again, and none outlives the group, even when the
 * launcher itself is killed (watchdog.ts).
 */
export class ProcessGroup {
  private readonly processes = new Map<string, Managed>();
  private readonly watchdog: ChildProcess;
  private ending = false;
  private readonly logDir: string;
  private readonly onNote: (line: string) => void;
  private readonly onGiveUp: (reason: string) => void;

  constructor(logDir: string, onNote: (line: string) => void, onGiveUp: (reason: string) => void) {
    this.logDir = logDir;
    this.onNote = onNote;
    this.onGiveUp = onGiveUp;
    mkdirSync(logDir, { recursive: true });
    this.watchdog = spawn(process.execPath, [path.join(import.meta.dirname, 'watchdog.js')], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.watchdog.stdin?.on('error', () => {});
    this.watchdog.unref();
  }

  start(spec: ProcessSpec, quickDeaths = 0): void {
    const log = createWriteStream(path.join(this.logDir, `${spec.name}.log`), {
      flags: quickDeaths === 0 && !this.processes.has(spec.name) ? 'w' : 'a',
    });
    const child = spawn(spec.command, spec.args, {
      env: { ...process.env, ...spec.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A terminal's Ctrl-C must reach the launcher alone, so that it ends the others in order.
      detached: true,
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const exited = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        log.write(`${error.message}\n`);
        resolve();
      });
      child.once('close', () => resolve());
    });
    const managed: Managed = { spec, child, startedAt: Date.now(), quickDeaths, exited };
    this.processes.set(spec.name, managed);
    if (child.pid !== undefined) this.watchdog.stdin?.write(`${child.pid}\n`);
    void exited.then(() => {
      log.end();
      if (child.pid !== undefined) this.watchdog.stdin?.write(`${-child.pid}\n`);
      return this.afterExit(managed);
    });
  }

  private async afterExit({ spec, child, startedAt, quickDeaths }: Managed): Promise<void> {
    if (this.ending) return;
    const quick = Date.now() - startedAt < HEALTHY_AFTER_MS;
    const how = child.signalCode ?? `exit code ${child.exitCode ?? '?'}`;
    const deaths = quick ? quickDeaths + 1 : 0;
    if (deaths >= MAX_QUICK_DEATHS) {
      this.onGiveUp(
        `${spec.name} ended ${deaths} times right after its start (${how}): see ${path.join(this.logDir, spec.name)}.log`,
      );
      return;
    }
    this.onNote(`${spec.name} ended (${how}); starting it again`);
    await sleep(500 * deaths);
    if (!this.ending) this.start(spec, deaths);
  }

  /** Ends all: SIGTERM by rank, SIGKILL for what does not leave in time. */
  async end(): Promise<void> {
    this.ending = true;
    const ranks = [...new Set([...this.processes.values()].map(({ spec }) => spec.rank))].sort((a, b) => b - a);
    for (const rank of ranks) {
      const group = [...this.processes.values()].filter(({ spec }) => spec.rank === rank);
      for (const { child } of group) child.kill('SIGTERM');
      const all = Promise.all(group.map(({ exited }) => exited));
      const late = await Promise.race([all.then(() => false), sleep(TERM_GRACE_MS, true, { ref: false })]);
      if (late) for (const { child } of group) child.kill('SIGKILL');
      await all;
    }
    this.watchdog.stdin?.end();
  }
}
