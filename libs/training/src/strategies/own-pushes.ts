import type { PullOptions } from '../ports.ts';

const NONE: readonly number[] = [];

/**
 * Bounds how far a replica runs ahead of the shards: a fetch is answered once its own pushes, but for the newest `ahead`, have been applied. A push is durable in the log before it
 * is applied; while a shard has lost sight of its log, or is slow, replicas would compute one gradient after the other on the same parameters, to be applied all at once.
 */
export class OwnPushes {
  readonly #ahead: number;
  /** The newest, the first of them being the one that a fetch waits for. */
  readonly #newest: Promise<readonly number[]>[] = [];

  constructor(ahead: number) {
    this.#ahead = ahead;
  }

  pushed(durable: Promise<readonly number[]>): void {
    // One that failed is told by its own chunk, and nobody waits for it.
    this.#newest.push(durable.catch(() => NONE));
    if (this.#newest.length > this.#ahead + 1) this.#newest.shift();
  }

  async pullOptions(): Promise<PullOptions> {
    if (this.#newest.length <= this.#ahead) return {};
    return { after: await this.#newest[0]! };
  }
}
