import type { PullOptions } from '../ports.ts';
import { NONE_SETTLED } from './confirmed-pushes.ts';
import type { ChunkKey, Pace } from './pace.ts';

const NO_PLACES: readonly number[] = [];

/**
 * Downpour SGD: no barrier between replicas (paper, section 4.1). But none runs away from the shards: a fetch is answered once they have taken in the replica's own pushes, but for
 * the newest `ahead`. A push is durable in the log before it is applied; while a shard has lost sight of its log, or is slow, replicas would compute one gradient after the other on
 * the same parameters, to be applied all at once.
 */
export class FreePace implements Pace {
  readonly inStep = false;
  readonly #ahead: number;
  /** Places of the newest pushes, the first of them being the one that a fetch waits for. */
  readonly #newest: Promise<readonly number[]>[] = [];

  constructor(ahead: number) {
    this.#ahead = ahead;
  }

  async pullOptions(_chunk: ChunkKey): Promise<PullOptions> {
    return this.#newest.length > this.#ahead ? { after: await this.#newest[0]! } : {};
  }

  pushed(durable: Promise<readonly number[]>): void {
    // One that failed is told by its own chunk, and nobody waits for it.
    this.#newest.push(durable.catch(() => NO_PLACES));
    if (this.#newest.length > this.#ahead + 1) this.#newest.shift();
  }

  settled(): ReadonlySet<number> {
    return NONE_SETTLED;
  }

  async confirm(_chunk: ChunkKey, _pushes: number, _signal: AbortSignal): Promise<boolean> {
    return true;
  }
}
