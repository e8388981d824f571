import type { PullOptions } from '../ports.ts';
import { FreePace } from './free-pace.ts';
import type { ChunkKey } from './pace.ts';

/** Stale synchronous parallel (Ho et al. 2013): a fetch says how many pushes were made, and the shard answers when that is not too far ahead of the slowest. */
export class ClockPace extends FreePace {
  #pushes = 0;

  override async pullOptions(chunk: ChunkKey): Promise<PullOptions> {
    const { epoch, chunk: index } = chunk;
    const clock = { pushes: this.#pushes, epoch, chunk: index };
    return { ...(await super.pullOptions(chunk)), clock };
  }

  override pushed(durable: Promise<readonly number[]>): void {
    super.pushed(durable);
    this.#pushes += 1;
  }
}
