import type { PullOptions } from '../ports.ts';
import { ConfirmedPushes, NONE_SETTLED } from './confirmed-pushes.ts';
import { OwnPushes } from './own-pushes.ts';
import type { Ask, ChunkKey, Pace } from './pace.ts';

/** Downpour SGD with a bound on staleness: nobody waits, but what was too stale is to be trained again. */
export class BoundedPace implements Pace {
  readonly inStep = false;
  readonly #own: OwnPushes;
  readonly #pushes: ConfirmedPushes;

  constructor(ahead: number, ask: Ask) {
    this.#own = new OwnPushes(ahead);
    this.#pushes = new ConfirmedPushes(ask);
  }

  pullOptions(): Promise<PullOptions> {
    return this.#own.pullOptions();
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#own.pushed(durable);
    this.#pushes.pushed(durable);
  }

  settled(): ReadonlySet<number> {
    return NONE_SETTLED;
  }

  confirm(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean> {
    return this.#pushes.all(chunk, pushes, signal);
  }
}
