import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, guard, onEnd } from '../harness/cleanup.ts';
import type { Cluster } from '../harness/cluster.ts';
import { CpuMeter } from '../harness/cpu-meter.ts';

const WORKER = path.resolve(import.meta.dirname, '../../../apps/worker/dist/main.js');
const JOIN_TIMEOUT_MS = 120_000;
/** A worker gives back its chunk within five seconds. */
const STOP_GRACE_MS = 10_000;

interface RunningWorker {
  process: ChildProcess;
  paddingMs: number;
  stop: () => Promise<void>;
}

/** Workers as users have them, a process each with TensorFlow in it, whose steps take at least so many milliseconds. */
export class WorkerFleet {
  readonly #cluster: Cluster;
  readonly #env: Record<string, string>;
  readonly #command: readonly string[];
  #workers: RunningWorker[] = [];

  /** `env` is added to that of each worker; `dataBytes`: the most memory of its own that each may have (Linux's RLIMIT_DATA), null: no limit. */
  constructor(cluster: Cluster, env: Record<string, string> = {}, dataBytes: number | null = null) {
    this.#cluster = cluster;
    this.#env = env;
    const limit = dataBytes === null ? [] : ['prlimit', `--data=${Math.round(dataBytes)}`];
    this.#command = [...limit, process.execPath, WORKER];
  }

  /** One worker for each padding; those that are there already go on. */
  async be(paddingsMs: readonly number[]): Promise<void> {
    const missing = [...paddingsMs];
    const surplus: RunningWorker[] = [];
    for (const worker of this.#workers) {
      const i = missing.indexOf(worker.paddingMs);
      if (i < 0) surplus.push(worker);
      else missing.splice(i, 1);
    }
    await Promise.all(surplus.map((worker) => worker.stop()));
    this.#workers = this.#workers.filter((worker) => !surplus.includes(worker));
    this.#workers.push(...missing.map((paddingMs) => this.#start(paddingMs)));
    const deadline = Date.now() + JOIN_TIMEOUT_MS;
    for (;;) {
      // Eight that load TensorFlow at once leave nobody time to answer.
      const members = await this.#cluster.client.members().catch(() => []);
      if (members.filter(({ role }) => role === 'worker').length === paddingsMs.length) return;
      if (Date.now() > deadline) throw new Error(`${paddingsMs.length} workers were not there in time`);
      await sleep(200);
    }
  }

  get pids(): number[] {
    return this.#workers.map(({ process }) => process.pid!);
  }

  /** Resolves when one of them ends. */
  async anyEnd(): Promise<void> {
    await Promise.race(this.#workers.map(({ process }) => new Promise((resolve) => process.once('exit', resolve))));
  }

  /** Of the whole system with the workers that are there now. */
  get meter(): CpuMeter {
    const workers = this.#workers.map(({ process }) => ({ pid: process.pid!, role: 'worker' }));
    return new CpuMeter([...this.#cluster.meter.processes, ...workers]);
  }

  /** SIGKILL to the first of them, whose place the next `be` fills. */
  kill(): string {
    const killed = this.#workers.shift()!.process;
    killed.kill('SIGKILL');
    return `worker ${killed.pid}`;
  }

  #start(paddingMs: number): RunningWorker {
    const [command, ...args] = this.#command;
    const child = spawn(command!, args, {
      env: {
        ...process.env,
        NATS_URL: this.#cluster.natsUrl,
        HTTP_PORT: '0',
        LOG_LEVEL: 'error',
        STEP_PADDING_MS: String(paddingMs),
        ...this.#env,
      },
      stdio: 'ignore',
      detached: true, // Ctrl-C is this process's to handle.
    });
    guard(child);
    return { process: child, paddingMs, stop: onEnd(() => endProcess(child, STOP_GRACE_MS)) };
  }
}
