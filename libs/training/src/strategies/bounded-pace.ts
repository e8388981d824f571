import { ConfirmedPushes } from './confirmed-pushes.ts';
import { FreePace } from './free-pace.ts';
import type { Ask, ChunkKey } from './pace.ts';

/** Downpour SGD with a bound on staleness: nobody waits, but what was too stale is to be trained again. */
export class BoundedPace extends FreePace {
  readonly #pushes: ConfirmedPushes;

  constructor(ahead: number, ask: Ask) {
    super(ahead);
    this.#pushes = new ConfirmedPushes(ask);
  }

  override pushed(durable: Promise<readonly number[]>): void {
    super.pushed(durable);
    this.#pushes.pushed(durable);
  }

  override confirm(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean> {
    return this.#pushes.all(chunk, pushes, signal);
  }
}
