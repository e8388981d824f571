import { SHARE_ENV, Worker } from 'node:worker_threads';
import { DownpourError } from '@downpour/contracts';
import type { TensorFlowOptions } from '../tensorflow/load.ts';
import { Bell } from './bell.ts';
import type { CallName, ReplyMessage, ThreadCalls, ThreadData } from './messages.ts';

interface Pending {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

/**
 * The thread that runs TensorFlow, seen from outside. Started by the first call; if it dies, all calls under way are rejected and
 * the next call starts it anew. What it held (replicas) is then gone: `generation` tells.
 */
export class TensorFlowThread {
  readonly #options: TensorFlowOptions;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | null = null;
  #bell: Bell | null = null;
  #nextId = 1;
  #generation = 0;
  #closed = false;

  constructor(options: TensorFlowOptions) {
    this.#options = options;
  }

  /** How often the thread was started. */
  get generation(): number {
    return this.#generation;
  }

  /** The running thread's generation; starts one if there is none. */
  ensure(): number {
    if (this.#closed) throw new DownpourError('unavailable', 'The engine is closed');
    this.#running();
    return this.#generation;
  }

  call<Name extends CallName>(
    name: Name,
    ask: ThreadCalls[Name]['ask'],
    transfer: ArrayBuffer[] = [],
  ): Promise<ThreadCalls[Name]['answer']> {
    if (this.#closed) return Promise.reject(new DownpourError('unavailable', 'The engine is closed'));
    return new Promise((resolve, reject) => {
      const worker = this.#running();
      const id = this.#nextId++;
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      worker.ref();
      worker.postMessage({ id, name, ask }, transfer);
      this.#bell!.ring();
    });
  }

  /** Ends the thread at once, as a crash would; the next call starts it anew. */
  async interrupt(): Promise<void> {
    await this.#worker?.terminate();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#lost(worker, new DownpourError('unavailable', 'The engine was closed'));
    await worker?.terminate();
  }

  #running(): Worker {
    if (this.#worker) return this.#worker;
    // In a source tree the thread's file is TypeScript as well (Node strips its types).
    const source = import.meta.url.endsWith('.ts');
    const bell = Bell.memory();
    const workerData: ThreadData = { bell, tensorflow: this.#options };
    const worker = new Worker(new URL(source ? './thread-main.ts' : './thread-main.js', import.meta.url), {
      name: 'tensorflow',
      // TensorFlow reads the process's environment, not a thread's copy of it.
      env: SHARE_ENV,
      workerData,
      execArgv: source ? ['--conditions=@downpour/source', '--no-warnings'] : ['--no-warnings'],
    });
    worker.on('message', (reply: ReplyMessage) => this.#settle(reply));
    worker.on('error', (error: Error) =>
      this.#lost(
        worker,
        new DownpourError('internal', `TensorFlow's thread failed: ${error.message}`, { cause: error }),
      ),
    );
    worker.on('exit', (code) =>
      this.#lost(worker, new DownpourError('internal', `TensorFlow's thread ended with code ${code}`)),
    );
    this.#worker = worker;
    this.#bell = new Bell(bell);
    this.#generation += 1;
    return worker;
  }

  #settle(reply: ReplyMessage): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    // Keeps the process alive only while somebody waits.
    if (this.#pending.size === 0) this.#worker?.unref();
    if (!pending) return;
    if ('error' in reply) {
      const { code, message, field } = reply.error;
      pending.reject(new DownpourError(code, message, field === undefined ? {} : { field }));
    } else pending.resolve(reply.answer);
  }

  #lost(worker: Worker | null, error: Error): void {
    if (worker !== this.#worker) return;
    this.#worker = null;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
  }
}
