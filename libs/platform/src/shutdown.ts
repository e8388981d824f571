/**
 * How a process leaves, in this order:
 * 1. `stopIntake`  take nothing new: no chunk, no job, no request;
 * 2. `finish`      finish what is in hand: the step, the push and its acknowledgement, a snapshot;
 * 3. `leave`       tell the others: hand over ownership, delete the member key;
 * 4. `drain`       let messages under way arrive; Nest's own close (strategies, onModuleDestroy) comes last in it;
 * 5. `close`       close connections, threads, files.
 * Hooks of one phase run side by side; the next phase waits for all of them.
 */
export const SHUTDOWN_PHASES = ['stopIntake', 'finish', 'leave', 'drain', 'close'] as const;
export type ShutdownPhase = (typeof SHUTDOWN_PHASES)[number];

export interface ShutdownOutcome {
  /** Hooks that failed: the others ran all the same. */
  failed: { hook: string; error: unknown }[];
  /** Hooks that had not come back when time was up; the phases after theirs did not run. */
  unfinished: string[];
}

interface Hook {
  phase: ShutdownPhase;
  name: string;
  run: () => void | Promise<void>;
}

/** Ordered hooks with one deadline over all of them. */
export class ShutdownHooks {
  readonly #hooks = new Set<Hook>();
  #running: Promise<ShutdownOutcome> | undefined;

  /** Adds a hook; returns a function that takes it away. */
  register(phase: ShutdownPhase, name: string, run: () => void | Promise<void>): () => void {
    const hook = { phase, name, run };
    this.#hooks.add(hook);
    return () => this.#hooks.delete(hook);
  }

  /** True once shutdown has begun. */
  get begun(): boolean {
    return this.#running !== undefined;
  }

  /** Runs all hooks once; later calls get the outcome of the first. Never rejects. */
  run(timeoutMs: number): Promise<ShutdownOutcome> {
    this.#running ??= this.#runAll(timeoutMs);
    return this.#running;
  }

  async #runAll(timeoutMs: number): Promise<ShutdownOutcome> {
    const outcome: ShutdownOutcome = { failed: [], unfinished: [] };
    const open = new Set<string>();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), timeoutMs);
    });
    for (const phase of SHUTDOWN_PHASES) {
      // Hooks may be added while earlier phases run, so each phase looks anew.
      const hooks = [...this.#hooks].filter((hook) => hook.phase === phase);
      const all = Promise.all(hooks.map((hook) => settle(hook, open, outcome)));
      if ((await Promise.race([all, deadline])) === 'late') {
        outcome.unfinished.push(...open);
        break;
      }
    }
    clearTimeout(timer);
    return outcome;
  }
}

const settle = async (hook: Hook, open: Set<string>, outcome: ShutdownOutcome): Promise<void> => {
  const label = `${hook.phase}: ${hook.name}`;
  open.add(label);
  try {
    await hook.run();
  } catch (error) {
    outcome.failed.push({ hook: label, error });
  } finally {
    open.delete(label);
  }
};
