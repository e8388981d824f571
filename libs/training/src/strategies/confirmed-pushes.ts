import type { PullOptions } from '../ports.ts';
import type { Ask, ChunkKey } from './pace.ts';

/** Where nobody has asked. */
export const NONE_SETTLED: ReadonlySet<number> = new Set();

/** Pushes of a chunk that every shard has settled; `settled`: by shard. */
export function settledOnAll(settled: readonly (readonly number[])[]): ReadonlySet<number> {
  const [first = [], ...others] = settled;
  if (first.length === 0) return NONE_SETTLED;
  return new Set(first.filter((push) => others.every((each) => each.includes(push))));
}

/** Where a strategy may drop a push as late: asks the shards what has become of those of a chunk, once they have taken in the last of them. */
export class ConfirmedPushes {
  readonly #ask: Ask;
  #last: Promise<readonly number[]> | null = null;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#last = durable;
  }

  /** To be answered once the last push has been taken in, and is part of a step. What is settled of the chunk is put into `settled`. */
  async question({ epoch, chunk }: ChunkKey, settled: number[][]): Promise<PullOptions> {
    // A push that failed is told by its own chunk, and nobody waits for it.
    const after = (await this.#last?.catch(() => [])) ?? [];
    return { after, stepped: true, chunk: { epoch, chunk }, settled };
  }

  /** Whether all pushes of the chunk count. */
  async all(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean> {
    const settled: number[][] = [];
    await this.#ask(await this.question(chunk, settled), signal);
    return settledOnAll(settled).size === pushes;
  }
}
