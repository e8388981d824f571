import type { ChunkPlan } from '@downpour/contracts';
import { chunksInEpoch, examplesInPush, pushesInChunk, pushesInEpoch, pushOffset } from '@downpour/contracts';
import { IndexSet, RunSet } from '../index-set.ts';
import type { LedgerState } from '../ledger.ts';

/** A ledger's pushes, to be asked for. */
class Pushes {
  readonly closed: RunSet;
  readonly open: Map<number, IndexSet>;

  constructor(plan: ChunkPlan, { closed, open }: LedgerState) {
    this.closed = new RunSet(closed);
    this.open = new Map(open.map(({ epoch, ...set }) => [epoch, new IndexSet(pushesInEpoch(plan), set)]));
  }

  has(epoch: number, index: number): boolean {
    return this.closed.has(epoch) || this.open.get(epoch)?.has(index) === true;
  }

  hasAny(epoch: number): boolean {
    return this.closed.has(epoch) || this.open.has(epoch);
  }
}

/**
 * What all of these ledgers have, of the epochs that the plan has: the pushes that every shard has settled. Nothing else may be skipped when a job goes on from
 * their shards; a push that only some of them have is applied again on the others.
 */
export const commonLedger = (plan: ChunkPlan, ledgers: readonly LedgerState[]): LedgerState => {
  const all = ledgers.map((state) => new Pushes(plan, state));
  const closed = new RunSet();
  const open: LedgerState['open'] = [];
  let examples = 0;
  for (let epoch = 0; epoch < plan.epochs; epoch++) {
    if (!all.every((pushes) => pushes.hasAny(epoch))) continue;
    if (all.every((pushes) => pushes.closed.has(epoch))) {
      closed.add(epoch);
      examples += plan.examples;
      continue;
    }
    const common = new IndexSet(pushesInEpoch(plan));
    for (const { index, examples: each } of pushesOf(plan)) {
      if (!all.every((pushes) => pushes.has(epoch, index))) continue;
      common.add(index);
      examples += each;
    }
    if (common.size > 0) open.push({ epoch, ...common.capture() });
  }
  const least = (field: 'lateDropped' | 'badDropped' | 'examplesDropped'): number =>
    Math.min(...ledgers.map((ledger) => ledger[field]));
  const examplesDropped = Math.min(least('examplesDropped'), examples);
  return {
    closed: closed.runs(),
    open,
    duplicatesDropped: 0,
    lateDropped: least('lateDropped'),
    badDropped: least('badDropped'),
    examplesApplied: examples - examplesDropped,
    examplesDropped,
    badPushes: ledgers[0]?.badPushes ?? [],
  };
};

/** So many epochs from the first on, and nothing else. */
export const wholeEpochs = (plan: ChunkPlan, epochs: number): LedgerState => ({
  closed: epochs === 0 ? [] : [[0, epochs]],
  open: [],
  duplicatesDropped: 0,
  lateDropped: 0,
  badDropped: 0,
  examplesApplied: epochs * plan.examples,
  examplesDropped: 0,
  badPushes: [],
});

/** Epochs that a ledger has whole, from the first on without a gap. */
export const solidEpochs = ({ closed }: Pick<LedgerState, 'closed'>): number => new RunSet(closed).solidBelow;

/** Epochs after the solid ones of which the ledger has something, and one bit for each of their chunks that it has all pushes of. */
export const doneChunks = (plan: ChunkPlan, ledger: LedgerState): { epoch: number; bits: Uint8Array }[] => {
  const pushes = new Pushes(plan, ledger);
  const done: { epoch: number; bits: Uint8Array }[] = [];
  const chunks = chunksInEpoch(plan);
  for (let epoch = solidEpochs(ledger); epoch < plan.epochs; epoch++) {
    if (!pushes.hasAny(epoch)) continue;
    const bits = new Uint8Array(Math.ceil(chunks / 8));
    for (let chunk = 0; chunk < chunks; chunk++) {
      const first = pushOffset(plan, chunk);
      const indices = Array.from({ length: pushesInChunk(plan, chunk) }, (_, push) => first + push);
      if (indices.every((index) => pushes.has(epoch, index))) bits[chunk >> 3]! |= 1 << (chunk & 7);
    }
    done.push({ epoch, bits });
  }
  return done;
};

function* pushesOf(plan: ChunkPlan): Generator<{ index: number; examples: number }> {
  for (let chunk = 0; chunk < chunksInEpoch(plan); chunk++)
    for (let push = 0; push < pushesInChunk(plan, chunk); push++)
      yield { index: pushOffset(plan, chunk) + push, examples: examplesInPush(plan, chunk, push) };
}
