import type { PullOptions } from '../ports.ts';
import { NONE_SETTLED } from './confirmed-pushes.ts';
import { OwnPushes } from './own-pushes.ts';
import type { ChunkKey, Pace } from './pace.ts';

/** Stale synchronous parallel (Ho et al. 2013): a fetch says how many pushes were made, and the shard answers when that is not too far ahead of the slowest. */
export class ClockPace implements Pace {
  readonly inStep = false;
  readonly #own: OwnPushes;
  #pushes = 0;

  constructor(ahead: number) {
    this.#own = new OwnPushes(ahead);
  }

  async pullOptions({ epoch, chunk }: ChunkKey): Promise<PullOptions> {
    const clock = { pushes: this.#pushes, epoch, chunk };
    return { ...(await this.#own.pullOptions()), clock };
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#pushes += 1;
    this.#own.pushed(durable);
  }

  settled(): ReadonlySet<number> {
    return NONE_SETTLED;
  }

  async confirm(): Promise<boolean> {
    return true;
  }
}
