import type { PullOptions } from '../ports.ts';
import { NONE_SETTLED } from './confirmed-pushes.ts';
import type { ChunkKey, Pace } from './pace.ts';

/** Stale synchronous parallel (Ho et al. 2013): a fetch says how many pushes were made, and the shard answers when that is not too far ahead of the slowest. */
export class ClockPace implements Pace {
  readonly inStep = false;
  #pushes = 0;

  pullOptions({ epoch, chunk }: ChunkKey): PullOptions {
    return { clock: { pushes: this.#pushes, epoch, chunk } };
  }

  pushed(): void {
    this.#pushes += 1;
  }

  settled(): ReadonlySet<number> {
    return NONE_SETTLED;
  }

  async confirm(): Promise<boolean> {
    return true;
  }
}
