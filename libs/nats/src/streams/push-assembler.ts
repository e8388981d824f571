import { parseSliceHead, SliceAssembler } from '@downpour/tensor';
import { SLICE_HEADER } from '../transport/wire.ts';
import { messageOf } from './jetstream-errors.ts';
import type { StreamMessage } from './stream-reader.ts';

/**
 * A push whose slices are not all in the log so long after the first (by the server's clock) never will be: its publisher is gone, or has
 * sent it again whole under another id (PushPublisher does so after REPUBLISH_AFTER_MS, which is shorter).
 */
export const ABANDONED_AFTER_MS = 120_000;

interface Open {
  firstSequence: number;
  firstStoredAtMs: number;
}

/** A push put together, with the places of its first and last slice in the log. */
export interface WholePush {
  bytes: Uint8Array;
  sequence: number;
  firstSequence: number;
}

/** Puts sliced pushes together and knows before which place of the log nothing is missing. */
export class PushAssembler {
  readonly #onBad: (reason: string, sequence: number) => void;
  readonly #slices = new SliceAssembler({ maxPendingBytes: 2 ** 33 });
  readonly #open = new Map<string, Open>();

  constructor(onBad: (reason: string, sequence: number) => void) {
    this.#onBad = onBad;
  }

  /** The last position before any push that still misses slices. Infinity when none does. */
  safePosition(): number {
    let safe = Infinity;
    for (const { firstSequence } of this.#open.values()) safe = Math.min(safe, firstSequence - 1);
    return safe;
  }

  add({ headers, data, sequence, storedAtMs }: StreamMessage): WholePush | null {
    this.#dropAbandoned(storedAtMs);
    const text = headers?.get(SLICE_HEADER) ?? '';
    if (text === '') return { bytes: data, sequence, firstSequence: sequence };
    let id: string | undefined;
    try {
      const head = parseSliceHead(text);
      ({ id } = head);
      if (!this.#open.has(id)) this.#open.set(id, { firstSequence: sequence, firstStoredAtMs: storedAtMs });
      const bytes = this.#slices.add({ ...head, data });
      if (bytes === null) return null;
      const { firstSequence } = this.#open.get(id) as Open;
      this.#open.delete(id);
      return { bytes, sequence, firstSequence };
    } catch (error) {
      if (id !== undefined) this.#open.delete(id);
      this.#onBad(messageOf(error), sequence);
      return null;
    }
  }

  #dropAbandoned(nowMs: number): void {
    for (const [id, { firstSequence, firstStoredAtMs }] of this.#open) {
      // In order of their first slice: the rest is younger.
      if (nowMs - firstStoredAtMs < ABANDONED_AFTER_MS) return;
      this.#open.delete(id);
      this.#slices.drop(id);
      this.#onBad(`Push ${id} never became complete: its publisher is gone`, firstSequence);
    }
  }
}
