import type { BadPush, ChunkPlan, MissingChunks, ShardLedger } from '@downpour/contracts';
import {
  chunksInEpoch,
  expectedPushes,
  MOST_MISSING,
  pushesInChunk,
  pushesInEpoch,
  pushOffset,
} from '@downpour/contracts';
import type { IndexSetState, Run } from './index-set.ts';
import { IndexSet, RunSet } from './index-set.ts';

/** What a push is known by, on every shard. */
export interface PushKey {
  epoch: number;
  chunk: number;
  /** Index within its chunk. */
  push: number;
}

/** What becomes of a push that has not come before: applied, or dropped because it is not finite. */
export type Settlement = 'applied' | 'bad';

/** A ledger as a snapshot keeps it. */
export interface LedgerState {
  /** Epochs of which every push is settled. There is no barrier between epochs, so they need not close in turn. */
  closed: Run[];
  /** Settled pushes of the epochs under way, by `pushOffset`. */
  open: ({ epoch: number } & IndexSetState)[];
  duplicatesDropped: number;
  lateDropped: number;
  badDropped: number;
  examplesApplied: number;
  examplesDropped: number;
  badPushes: BadPush[];
}

/** So many bad pushes are remembered with their workers (contracts' ShardLedger). */
const KEPT_BAD_PUSHES = 8;

/**
 * Which pushes a shard has settled: what makes each count exactly once, however often it is delivered. A bit for each push of what is being worked
 * on; pages and epochs that are through are runs of numbers. So its size is bounded by the chunks in flight, neither by the job nor by the epoch.
 *
 * At the end applied + badDropped = expected (contracts' account.ts).
 */
export class Ledger {
  readonly expected: number;
  readonly #plan: ChunkPlan;
  readonly #pushesInEpoch: number;
  readonly #open = new Map<number, IndexSet>();
  #closed = new RunSet();
  #closedCount = 0;
  #duplicatesDropped = 0;
  #lateDropped = 0;
  #badDropped = 0;
  #examplesApplied = 0;
  #examplesDropped = 0;
  #badPushes: BadPush[] = [];

  constructor(plan: ChunkPlan) {
    this.#plan = plan;
    this.#pushesInEpoch = pushesInEpoch(plan);
    this.expected = expectedPushes(plan);
  }

  /** @throws RangeError when the state is not one of this plan. */
  static restore(plan: ChunkPlan, state: LedgerState): Ledger {
    const ledger = new Ledger(plan);
    ledger.#closed = new RunSet(state.closed);
    ledger.#closedCount = ledger.#closed.size;
    for (const { epoch, ...set } of state.open) ledger.#open.set(epoch, new IndexSet(ledger.#pushesInEpoch, set));
    ledger.#duplicatesDropped = state.duplicatesDropped;
    ledger.#lateDropped = state.lateDropped;
    ledger.#badDropped = state.badDropped;
    ledger.#examplesApplied = state.examplesApplied;
    ledger.#examplesDropped = state.examplesDropped;
    ledger.#badPushes = state.badPushes.map((push) => ({ ...push }));
    return ledger;
  }

  /** A copy: later records do not change it. */
  capture(): LedgerState {
    return {
      closed: this.#closed.runs(),
      open: [...this.#open].sort(([a], [b]) => a - b).map(([epoch, set]) => ({ epoch, ...set.capture() })),
      duplicatesDropped: this.#duplicatesDropped,
      lateDropped: this.#lateDropped,
      badDropped: this.#badDropped,
      examplesApplied: this.#examplesApplied,
      examplesDropped: this.#examplesDropped,
      badPushes: this.badPushes,
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

  /** Counts a delivery of a planned push that is settled already, and says whether it was one. */
  dropDuplicate(key: PushKey): boolean {
    const settled = this.#closed.has(key.epoch) || this.#open.get(key.epoch)?.has(this.#indexOf(key)) === true;
    if (settled) this.#duplicatesDropped += 1;
    return settled;
  }

  /** Counts a delivery of a push that is wanted no more, whether it was settled or not. */
  dropStale(): void {
    this.#duplicatesDropped += 1;
  }

  /**
   * Settles a push. Only a `new` one may be applied, and only if it is settled as `applied`; a `duplicate` is settled already, whatever as; an `invalid` one is not
   * in the plan.
   */
  record(
    key: PushKey & { worker?: string },
    examples: number,
    settlement: Settlement = 'applied',
  ): 'new' | 'duplicate' | 'invalid' {
    if (!this.plans(key)) return 'invalid';
    if (this.dropDuplicate(key)) return 'duplicate';
    const { epoch } = key;
    let open = this.#open.get(epoch);
    if (open === undefined) this.#open.set(epoch, (open = new IndexSet(this.#pushesInEpoch)));
    open.add(this.#indexOf(key));
    if (settlement === 'applied') this.#examplesApplied += examples;
    else this.#examplesDropped += examples;
    if (settlement === 'bad') this.#recordBad(key);
    if (open.size === this.#pushesInEpoch) this.#close(epoch);
    return 'new';
  }

  /** Counts another delivery of a push that is in hand, and not settled yet. */
  dropRepeated(): void {
    this.#duplicatesDropped += 1;
  }

  /** Counts a delivery that came too late for the strategy. It is not settled: it is trained again. */
  dropLate(): void {
    this.#lateDropped += 1;
  }

  /** Which pushes of a chunk need not come again; none of a chunk that is not in the plan. */
  settledPushes({ epoch, chunk }: Omit<PushKey, 'push'>): number[] {
    if (!this.plans({ epoch, chunk, push: 0 })) return [];
    const pushes = Array.from({ length: pushesInChunk(this.#plan, chunk) }, (_, push) => push);
    if (this.#closed.has(epoch)) return pushes;
    const open = this.#open.get(epoch);
    return pushes.filter((push) => open?.has(this.#indexOf({ epoch, chunk, push })));
  }

  /** Pushes that need not come again. */
  get settled(): number {
    let settled = this.#closedCount * this.#pushesInEpoch;
    for (const open of this.#open.values()) settled += open.size;
    return settled;
  }

  /** The same in epochs, fractions included. */
  get epochs(): number {
    return this.settled / this.#pushesInEpoch;
  }

  get applied(): number {
    return this.settled - this.#badDropped;
  }

  get duplicatesDropped(): number {
    return this.#duplicatesDropped;
  }

  get lateDropped(): number {
    return this.#lateDropped;
  }

  get badDropped(): number {
    return this.#badDropped;
  }

  get examplesApplied(): number {
    return this.#examplesApplied;
  }

  /** Every push of the job is settled. */
  get complete(): boolean {
    return this.#closedCount === this.#plan.epochs;
  }

  /** The newest of the pushes that were not finite. */
  get badPushes(): BadPush[] {
    return this.#badPushes.map((push) => ({ ...push }));
  }

  /** What events and replies carry of it. */
  account(): Omit<ShardLedger, 'shard' | 'instance' | 'refused'> {
    return {
      expected: this.expected,
      applied: this.applied,
      duplicatesDropped: this.#duplicatesDropped,
      lateDropped: this.#lateDropped,
      badDropped: this.#badDropped,
      examplesApplied: this.#examplesApplied,
      examplesDropped: this.#examplesDropped,
      badPushes: this.badPushes,
    };
  }

  /** Pushes settled of each epoch under way, in order of epochs. */
  openEpochs(): { epoch: number; settled: number }[] {
    return [...this.#open].map(([epoch, { size }]) => ({ epoch, settled: size })).sort((a, b) => a.epoch - b.epoch);
  }

  /** The first `most` chunks of the epochs below `epoch` that lack a push. */
  missingChunks(below: number, most = MOST_MISSING): MissingChunks {
    const missing: MissingChunks = [];
    let named = 0;
    for (let epoch = 0; epoch < below && named < most; epoch++) {
      if (this.#closed.has(epoch)) continue;
      const open = this.#open.get(epoch);
      const chunks: number[] = [];
      for (let chunk = 0; chunk < chunksInEpoch(this.#plan) && named < most; chunk++) {
        const pushes = pushesInChunk(this.#plan, chunk);
        let push = 0;
        while (push < pushes && open?.has(this.#indexOf({ epoch, chunk, push }))) push += 1;
        if (push === pushes) continue;
        chunks.push(chunk);
        named += 1;
      }
      missing.push({ epoch, chunks });
    }
    return missing;
  }

  #indexOf({ chunk, push }: PushKey): number {
    return pushOffset(this.#plan, chunk) + push;
  }

  #recordBad({ epoch, chunk, push, worker = '' }: PushKey & { worker?: string }): void {
    this.#badDropped += 1;
    this.#badPushes = [...this.#badPushes, { epoch, chunk, push, worker }].slice(-KEPT_BAD_PUSHES);
  }

  #close(epoch: number): void {
    this.#open.delete(epoch);
    this.#closed.add(epoch);
    this.#closedCount += 1;
  }
}

const isIndex = (value: number, length: number): boolean => Number.isInteger(value) && value >= 0 && value < length;
