import { DownpourError } from '@downpour/contracts';
import type { Crossing, Exchange } from '@downpour/training';
import type { GroupLinks, SeatPlace } from './ports.ts';

/** One piece of work of a group, as one of its members sees it: what it and its peers send each other meanwhile. */
export class GroupRun implements Exchange {
  readonly id: string;
  readonly #jobId: string;
  readonly #place: SeatPlace;
  readonly #links: GroupLinks;
  readonly #over = new AbortController();
  readonly #boxes = new Map<string, PromiseWithResolvers<Float32Array>>();
  readonly #taken = new Set<string>();

  constructor(id: string, jobId: string, place: SeatPlace, links: GroupLinks) {
    this.id = id;
    this.#jobId = jobId;
    this.#place = place;
    this.#links = links;
  }

  /** Aborted when it is given up, or has ended. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Ends it: whoever waits for a tensor of it is told why. */
  close(reason: Error = new DownpourError('unavailable', 'The group has given this up')): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(reason);
    for (const box of this.#boxes.values()) box.reject(reason);
    this.#boxes.clear();
  }

  send(to: number, crossing: Crossing, values: Float32Array): Promise<void> {
    const header = {
      type: 'crossing',
      v: 1,
      jobId: this.#jobId,
      run: this.id,
      from: this.#place.partition,
      ...crossing,
    } as const;
    return this.#links.sendCrossing(this.#place.members[to]!, header, values, this.signal);
  }

  async receive(from: number, crossing: Crossing): Promise<Float32Array> {
    const key = keyOf(from, crossing);
    const values = await this.#box(key).promise;
    this.#boxes.delete(key);
    this.#taken.add(key);
    return values;
  }

  /** A peer's tensor has come. It may come twice: the answer to the first was lost. */
  deliver(from: number, crossing: Crossing, values: Float32Array): void {
    const key = keyOf(from, crossing);
    if (!this.#taken.has(key)) this.#box(key).resolve(values);
  }

  #box(key: string): PromiseWithResolvers<Float32Array> {
    let box = this.#boxes.get(key);
    if (box) return box;
    box = Promise.withResolvers();
    // Nobody may be waiting for it when the run is given up.
    box.promise.catch(() => undefined);
    if (this.signal.aborted) box.reject(this.signal.reason);
    else this.#boxes.set(key, box);
    return box;
  }
}

const keyOf = (from: number, { step, microBatch, tensor, direction }: Crossing): string =>
  `${from} ${step} ${microBatch} ${direction} ${tensor}`;
