import type { ChunkPlan } from '@downpour/contracts';
import { chunksInEpoch, expectedPushes, pushesInChunk, pushesInEpoch, pushOffset } from '@downpour/contracts';

/** What a push is known by, on every shard. */
export interface PushKey {
  epoch: number;
  chunk: number;
  /** Index within its chunk. */
  push: number;
}

/** A ledger as a snapshot keeps it. */
export interface LedgerState {
  /** Every epoch before this one is closed: all of its pushes are applied. */
  closedBelow: number;
  /** Epochs closed out of turn: there is no barrier between epochs. */
  closed: number[];
  /** One bit for each push of the epoch, in order of `pushOffset`. */
  open: { epoch: number; bits: Uint8Array }[];
  duplicatesDropped: number;
  lateDropped: number;
  examplesApplied: number;
}

interface OpenEpoch {
  bits: Uint8Array;
  applied: number;
}

/**
 * Which pushes a shard has applied: what makes each count exactly once, however often it is delivered. A bit for each push of the
 * epochs that are under way; epochs that are through are one number. So its size is bounded by the epochs in flight, not by the job.
 */
export class Ledger {
  readonly expected: number;
  readonly #plan: ChunkPlan;
  readonly #pushesInEpoch: number;
  readonly #open = new Map<number, OpenEpoch>();
  readonly #closed = new Set<number>();
  #closedBelow = 0;
  #duplicatesDropped = 0;
  #lateDropped = 0;
  #examplesApplied = 0;

  constructor(plan: ChunkPlan) {
    this.#plan = plan;
    this.#pushesInEpoch = pushesInEpoch(plan);
    this.expected = expectedPushes(plan);
  }

  /** @throws RangeError when the state is not one of this plan. */
  static restore(plan: ChunkPlan, state: LedgerState): Ledger {
    const ledger = new Ledger(plan);
    ledger.#closedBelow = state.closedBelow;
    for (const epoch of state.closed) ledger.#closed.add(epoch);
    for (const { epoch, bits } of state.open) {
      if (bits.byteLength !== ledger.#bitmapBytes) throw new RangeError(`Epoch ${epoch} has a bitmap of another plan`);
      ledger.#open.set(epoch, { bits: bits.slice(), applied: countBits(bits) });
    }
    ledger.#duplicatesDropped = state.duplicatesDropped;
    ledger.#lateDropped = state.lateDropped;
    ledger.#examplesApplied = state.examplesApplied;
    return ledger;
  }

  /** A copy: later records do not change it. */
  capture(): LedgerState {
    return {
      closedBelow: this.#closedBelow,
      closed: [...this.#closed].sort((a, b) => a - b),
      open: [...this.#open].sort(([a], [b]) => a - b).map(([epoch, { bits }]) => ({ epoch, bits: bits.slice() })),
      duplicatesDropped: this.#duplicatesDropped,
      lateDropped: this.#lateDropped,
      examplesApplied: this.#examplesApplied,
    };
  }

  /** Whether the job has such a push. */
  plans({ epoch, chunk, push }: PushKey): boolean {
    return (
      isIndex(epoch, this.#plan.epochs) &&
      isIndex(chunk, chunksInEpoch(this.#plan)) &&
      isIndex(push, pushesInChunk(this.#plan, chunk))
    );
  }

  /** Counts a push. Only a `new` one may be applied; a `duplicate` has been, an `invalid` one is not in the plan. */
  record(key: PushKey, examples: number): 'new' | 'duplicate' | 'invalid' {
    if (!this.plans(key)) return 'invalid';
    const { epoch, chunk, push } = key;
    if (this.#isClosed(epoch)) return this.#duplicate();
    const open = this.#openEpoch(epoch);
    const index = pushOffset(this.#plan, chunk) + push;
    const mask = 1 << (index & 7);
    if ((open.bits[index >> 3]! & mask) !== 0) return this.#duplicate();
    open.bits[index >> 3]! |= mask;
    open.applied += 1;
    this.#examplesApplied += examples;
    if (open.applied === this.#pushesInEpoch) this.#close(epoch);
    return 'new';
  }

  /** For strategies that drop late gradients on purpose. */
  recordLate(): void {
    this.#lateDropped += 1;
  }

  get applied(): number {
    let applied = (this.#closedBelow + this.#closed.size) * this.#pushesInEpoch;
    for (const open of this.#open.values()) applied += open.applied;
    return applied;
  }

  get duplicatesDropped(): number {
    return this.#duplicatesDropped;
  }

  get lateDropped(): number {
    return this.#lateDropped;
  }

  get examplesApplied(): number {
    return this.#examplesApplied;
  }

  /** Every push of the job is applied. */
  get complete(): boolean {
    return this.#closedBelow === this.#plan.epochs;
  }

  /** Pushes applied of each epoch under way, in order of epochs. */
  openEpochs(): { epoch: number; applied: number }[] {
    return [...this.#open].map(([epoch, { applied }]) => ({ epoch, applied })).sort((a, b) => a.epoch - b.epoch);
  }

  get #bitmapBytes(): number {
    return Math.ceil(this.#pushesInEpoch / 8);
  }

  #isClosed(epoch: number): boolean {
    return epoch < this.#closedBelow || this.#closed.has(epoch);
  }

  #openEpoch(epoch: number): OpenEpoch {
    let open = this.#open.get(epoch);
    if (open === undefined) {
      open = { bits: new Uint8Array(this.#bitmapBytes), applied: 0 };
      this.#open.set(epoch, open);
    }
    return open;
  }

  #close(epoch: number): void {
    this.#open.delete(epoch);
    this.#closed.add(epoch);
    while (this.#closed.delete(this.#closedBelow)) this.#closedBelow += 1;
  }

  #duplicate(): 'duplicate' {
    this.#duplicatesDropped += 1;
    return 'duplicate';
  }
}

const isIndex = (value: number, length: number): boolean => Number.isInteger(value) && value >= 0 && value < length;

const countBits = (bits: Uint8Array): number => {
  let count = 0;
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
};
