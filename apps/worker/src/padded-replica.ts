import { setTimeout as sleep } from 'node:timers/promises';
import type { Replica, StepResult } from '@downpour/training';

/**
 * Steps that take their time: each is computed as always and ends no sooner than `paddingMs` after it began. With a processor's time for one worker, many
 * can be watched that have one each; with a longer one for a single worker, a straggler.
 */
export class PaddedReplica implements Replica {
  readonly allocate?: NonNullable<Replica['allocate']>;
  readonly #replica: Replica;
  readonly #paddingMs: number;

  constructor(replica: Replica, paddingMs: number) {
    this.#replica = replica;
    this.#paddingMs = paddingMs;
    if (replica.allocate) this.allocate = (length) => replica.allocate!(length);
  }

  async step(...step: Parameters<Replica['step']>): Promise<StepResult> {
    const [result] = await Promise.all([this.#replica.step(...step), sleep(this.#paddingMs)]);
    return result;
  }

  evaluate(...evaluation: Parameters<Replica['evaluate']>): ReturnType<Replica['evaluate']> {
    return this.#replica.evaluate(...evaluation);
  }

  dispose(): Promise<void> {
    return this.#replica.dispose();
  }
}
