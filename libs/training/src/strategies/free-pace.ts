import type { PullOptions } from '../ports.ts';
import { NONE_SETTLED } from './confirmed-pushes.ts';
import { OwnPushes } from './own-pushes.ts';
import type { Pace } from './pace.ts';

/** Downpour SGD: no barrier anywhere (paper, section 4.1), but for a replica's own pushes. */
export class FreePace implements Pace {
  readonly inStep = false;
  readonly #own: OwnPushes;

  constructor(ahead: number) {
    this.#own = new OwnPushes(ahead);
  }

  pullOptions(): Promise<PullOptions> {
    return this.#own.pullOptions();
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#own.pushed(durable);
  }

  settled(): ReadonlySet<number> {
    return NONE_SETTLED;
  }

  async confirm(): Promise<boolean> {
    return true;
  }
}
