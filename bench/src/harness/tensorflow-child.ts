import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { WorkloadName } from '../workloads.ts';
import { endProcess, onEnd } from './cleanup.ts';

export interface ChildRequest {
  work: 'compiled' | 'fit' | 'turns' | 'soak';
  workload: WorkloadName;
  windowMs: number;
  /** Of a soak. */
  steps?: number;
}
export type ChildReply = { result: unknown } | { error: string };

/** What one process computed in a window. */
export interface Computed {
  examples: number;
  seconds: number;
  cpuSeconds: number;
}

/** The same extension as this file: sources while developing, compiled files in a run. */
const EXTENSION = path.extname(import.meta.filename);

/** A process that computes alone. It ends with this one, however this one ends: its channel closes. */
export class TensorFlowChild {
  readonly #child: ChildProcess;
  readonly stop: () => Promise<void>;

  /** TensorFlow speaks of its settings there: shown only when the process ends by itself. */
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-2000)));
    this.stop = onEnd(() => endProcess(child, 2000));
  }

  /** @param threads of one TensorFlow op; 'default': what TensorFlow takes by itself, all cores */
  static async start(threads: number | 'default'): Promise<TensorFlowChild> {
    const env =
      threads === 'default'
        ? { TF_NUM_INTRAOP_THREADS: '0', TF_NUM_INTEROP_THREADS: '0' }
        : { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: '1' };
    const child = fork(path.join(import.meta.dirname, `../children/tensorflow.child${EXTENSION}`), {
      env: { TF_CPP_MIN_LOG_LEVEL: '2', ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true, // Ctrl-C is this process's to handle.
    });
    const started = new TensorFlowChild(child);
    await started.#reply();
    return started;
  }

  /** Steps of the bare compiled graph for `windowMs`. */
  compiled(workload: WorkloadName, windowMs: number): Promise<Computed> {
    return this.#call({ work: 'compiled', workload, windowMs }) as Promise<Computed>;
  }

  /** tfjs-node's model.fit for `windowMs`. */
  fit(workload: WorkloadName, windowMs: number): Promise<Computed> {
    return this.#call({ work: 'fit', workload, windowMs }) as Promise<Computed>;
  }

  /** Op by op and compiled by turns; medians. */
  turns(workload: WorkloadName, windowMs: number): Promise<{ eagerMs: number; compiledMs: number }> {
    return this.#call({ work: 'turns', workload, windowMs }) as Promise<{ eagerMs: number; compiledMs: number }>;
  }

  /** So many steps more, then what memory holds. */
  soak(workload: WorkloadName, steps: number): Promise<{ tensors: number; rssBytes: number }> {
    return this.#call({ work: 'soak', workload, windowMs: 0, steps }) as Promise<{ tensors: number; rssBytes: number }>;
  }

  #call(request: ChildRequest): Promise<unknown> {
    const reply = this.#reply();
    this.#child.send(request);
    return reply;
  }

  #reply(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) =>
        reject(new Error(`A process with a baseline ended (exit code ${code}):\n${this.#stderr}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (reply: ChildReply) => {
        this.#child.off('exit', onExit);
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.result);
      });
    });
  }
}
