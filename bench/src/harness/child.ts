import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { endProcess, onEnd } from './cleanup.ts';

export type ChildReply = { result: unknown } | { error: string };

/** The same extension as this file: sources while developing, compiled files in a run. */
const EXTENSION = path.extname(import.meta.filename);
const STOP_GRACE_MS = 2000;

/** A process of this bench that is asked one thing at a time. It ends with this one, however this one ends: its channel closes. */
export class Child {
  readonly stop: () => Promise<void>;
  readonly #process: ChildProcess;
  /** Shown only when the process ends by itself. */
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-2000)));
    this.stop = onEnd(() => endProcess(child, STOP_GRACE_MS));
  }

  /** @param name of a file in `children/`, without `.child.ts` */
  static async start(name: string, env: Record<string, string> = {}): Promise<Child> {
    const child = fork(path.join(import.meta.dirname, `../children/${name}.child${EXTENSION}`), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true, // Ctrl-C is this process's to handle.
    });
    const started = new Child(child);
    await started.#reply();
    return started;
  }

  ask(request: unknown): Promise<unknown> {
    const reply = this.#reply();
    this.#process.send(request as object);
    return reply;
  }

  #reply(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) =>
        reject(new Error(`A process of the bench ended (exit code ${code}):\n${this.#stderr}`));
      this.#process.once('exit', onExit);
      this.#process.once('message', (reply: ChildReply) => {
        this.#process.off('exit', onExit);
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.result);
      });
    });
  }
}

/** The other side: answers what its parent asks, and says that it is there. */
export function answerParent<Request>(work: (request: Request) => Promise<unknown>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (request: Request) => {
    work(request).then(
      (result) => process.send!({ result } satisfies ChildReply),
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.send!({ error: text } satisfies ChildReply);
      },
    );
  });
  process.send!({ result: null } satisfies ChildReply);
}
