import { parseSliceHead, SliceAssembler } from '@downpour/tensor';
import type { Msg } from '@nats-io/nats-core';
import { releaseReceived, takeAssembled } from '../link/receive-slabs.ts';
import { SLICE_HEADER } from './wire.ts';

/** A request whose slices are not all there so long after the first never will be: its sender has asked again long since. */
const ABANDONED_AFTER_MS = 30_000;

/** Puts requests together that came in slices. */
export class RequestAssembler {
  readonly #slices = new SliceAssembler({ allocate: takeAssembled });
  /** By id of the message, the oldest first. */
  readonly #begunAt = new Map<string, number>();

  /** The request that this message makes whole, or null. @throws DownpourError when the slice contradicts its siblings */
  add({ headers, data }: Pick<Msg, 'headers' | 'data'>): Uint8Array | null {
    const text = headers?.get(SLICE_HEADER) ?? '';
    if (text === '') return data;
    const head = parseSliceHead(text);
    const now = performance.now();
    this.#dropAbandoned(now);
    if (!this.#begunAt.has(head.id)) this.#begunAt.set(head.id, now);
    try {
      const whole = this.#slices.add({ ...head, data });
      if (whole !== null) this.#begunAt.delete(head.id);
      if (whole !== data) releaseReceived(data);
      return whole;
    } catch (error) {
      this.#begunAt.delete(head.id);
      throw error;
    }
  }

  #dropAbandoned(now: number): void {
    for (const [id, begunAt] of this.#begunAt) {
      if (now - begunAt < ABANDONED_AFTER_MS) return;
      this.#begunAt.delete(id);
      this.#slices.drop(id);
    }
  }
}
