import type { PullOptions } from '../ports.ts';
import { ConfirmedPushes, settledOnAll } from './confirmed-pushes.ts';
import type { Ask, ChunkKey, Pace } from './pace.ts';

/**
 * Synchronous SGD (Chen et al. 2016), and local SGD: a fetch is answered when the step that the replica's last push is for is over. So each gradient is computed on
 * parameters that no other gradient of its step has changed, and a replica has one in each step. Which pushes of a chunk came too late, the answer after the last one says.
 */
export class StepPace implements Pace {
  readonly inStep = true;
  readonly #pushes: ConfirmedPushes;
  #fetched: number[][] = [];

  constructor(ask: Ask) {
    this.#pushes = new ConfirmedPushes(ask);
  }

  pullOptions(chunk: ChunkKey): Promise<PullOptions> {
    this.#fetched = [];
    return this.#pushes.question(chunk, this.#fetched);
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#pushes.pushed(durable);
  }

  settled(): ReadonlySet<number> {
    return settledOnAll(this.#fetched);
  }

  confirm(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean> {
    return this.#pushes.all(chunk, pushes, signal);
  }
}
