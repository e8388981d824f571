import { DownpourError } from '@downpour/contracts';
import { parseSliceHead, SliceAssembler } from '@downpour/tensor';
import { releaseReceived, takeAssembled } from '../link/receive-slabs.ts';
import { SLICE_HEADER } from '../transport/wire.ts';
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

/**
 * Puts sliced pushes together, one handed over at a time, and knows from which place of the log a replay brings everything again that is
 * not applied: no push has slices on both sides of it, be it complete or not. (A replay that began within one would wait for
 * the slices before its beginning.)
 */
export class PushAssembler {
  readonly #onBad: (error: unknown, sequence: number) => void;
  readonly #slices = new SliceAssembler({ maxPendingBytes: 2 ** 33, allocate: takeAssembled });
  readonly #open = new Map<string, Open>();
  #inHand: WholePush | null = null;
  /** Applied pushes of several slices that end after the safe position. */
  #spans: WholePush[] = [];
  #seen: number;

  constructor(after: number, onBad: (error: unknown, sequence: number) => void) {
    this.#seen = after;
    this.#onBad = onBad;
  }

  /** Everything at or before it is applied, and before `held` (the first record that a follower keeps for later); no push lies on both sides of it. It never goes back. */
  safePosition(held = Infinity): number {
    let safe = Math.min(this.#seen, held - 1);
    if (this.#inHand !== null) safe = Math.min(safe, this.#inHand.firstSequence - 1);
    for (const { firstSequence } of this.#open.values()) safe = Math.min(safe, firstSequence - 1);
    for (let moved = true; moved;) {
      moved = false;
      for (const { firstSequence, sequence } of this.#spans) {
        if (firstSequence > safe || sequence <= safe) continue;
        safe = firstSequence - 1;
        moved = true;
      }
    }
    this.#spans = this.#spans.filter(({ sequence }) => sequence > safe);
    return safe;
  }

  /** The push that `add` gave last is applied. */
  done(): void {
    if (this.#inHand === null) return;
    if (this.#inHand.firstSequence < this.#inHand.sequence) this.#spans.push(this.#inHand);
    this.#inHand = null;
  }

  /** The push that the message makes complete: call `done` once it is applied, before the next message. */
  add({ headers, data, sequence, storedAtMs }: StreamMessage): WholePush | null {
    this.#seen = sequence;
    this.#dropAbandoned(storedAtMs);
    const text = headers?.get(SLICE_HEADER) ?? '';
    if (text === '') return this.#hand({ bytes: data, sequence, firstSequence: sequence });
    let id: string | undefined;
    try {
      const head = parseSliceHead(text);
      ({ id } = head);
      if (!this.#open.has(id)) this.#open.set(id, { firstSequence: sequence, firstStoredAtMs: storedAtMs });
      const bytes = this.#slices.add({ ...head, data });
      if (bytes !== data) releaseReceived(data);
      if (bytes === null) return null;
      const { firstSequence } = this.#open.get(id) as Open;
      this.#open.delete(id);
      return this.#hand({ bytes, sequence, firstSequence });
    } catch (error) {
      if (id !== undefined) this.#open.delete(id);
      this.#onBad(error, sequence);
      return null;
    }
  }

  #hand(push: WholePush): WholePush {
    this.#inHand = push;
    return push;
  }

  #dropAbandoned(nowMs: number): void {
    for (const [id, { firstSequence, firstStoredAtMs }] of this.#open) {
      // In order of their first slice: the rest is younger.
      if (nowMs - firstStoredAtMs < ABANDONED_AFTER_MS) return;
      this.#open.delete(id);
      this.#slices.drop(id);
      this.#onBad(
        new DownpourError('timeout', `Push ${id} never became complete: its publisher is gone`),
        firstSequence,
      );
    }
  }
}
