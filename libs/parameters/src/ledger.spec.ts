import type { ChunkPlan } from '@downpour/contracts';
import { accountProblem, expectedPushes, pushesInChunk } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakePushes } from './fakes.ts';
import { Ledger } from './ledger.ts';

const plan: ChunkPlan = { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs: 3, seed: 1 };
const pushes = fakePushes({ jobId: 'job-a', shard: 0, chunks: plan });
const account = ({ applied, duplicatesDropped, lateDropped, examplesApplied, complete }: Ledger) => ({
  applied,
  duplicatesDropped,
  lateDropped,
  examplesApplied,
  complete,
});

describe('Ledger', () => {
  it('counts every push of the job once, whatever order and however often it comes', () => {
    const deliveries = fc.shuffledSubarray([...pushes, ...pushes, ...pushes], {
      minLength: pushes.length * 3,
      maxLength: pushes.length * 3,
    });
    fc.assert(
      fc.property(deliveries, (delivered) => {
        const ledger = new Ledger(plan);
        const seen = new Set<string>();
        for (const push of delivered) {
          const key = `${push.epoch} ${push.chunk} ${push.push}`;
          expect(ledger.record(push, push.examples)).toBe(seen.has(key) ? 'duplicate' : 'new');
          seen.add(key);
          expect(ledger.applied).toBe(seen.size);
          expect(ledger.complete).toBe(seen.size === expectedPushes(plan));
        }
        expect(account(ledger)).toEqual({
          applied: expectedPushes(plan),
          duplicatesDropped: 2 * expectedPushes(plan),
          lateDropped: 0,
          examplesApplied: 150,
          complete: true,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('names the chunks that lack a push, of the epochs that were given out', () => {
    const ledger = new Ledger(plan);
    expect(ledger.missingChunks(2)).toEqual([0, 1].map((epoch) => ({ epoch, chunks: [0, 1, 2] })));
    for (const push of pushes)
      if (push.epoch === 0 || (push.epoch === 1 && push.chunk === 1)) ledger.record(push, push.examples);
    expect(ledger.missingChunks(3)).toEqual([
      { epoch: 1, chunks: [0, 2] },
      { epoch: 2, chunks: [0, 1, 2] },
    ]);
    expect(ledger.missingChunks(3, 3)).toEqual([
      { epoch: 1, chunks: [0, 2] },
      { epoch: 2, chunks: [0] },
    ]);
    expect(ledger.missingChunks(1)).toEqual([]);
  });

  it('is the same after being stored and read at any moment', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(pushes, { minLength: pushes.length }),
        fc.integer({ min: 0, max: pushes.length }),
        (order, cut) => {
          const ledger = new Ledger(plan);
          for (const push of order.slice(0, cut)) ledger.record(push, push.examples);
          const restored = Ledger.restore(plan, ledger.capture());
          expect(restored.capture()).toEqual(ledger.capture());
          for (const push of order) expect(restored.record(push, 0)).toBe(ledger.record(push, 0));
          expect(account(restored)).toEqual(account(ledger));
          expect(restored.complete).toBe(true);
        },
      ),
    );
  });

  it.each([
    { epoch: -1, chunk: 0, push: 0 },
    { epoch: 3, chunk: 0, push: 0 },
    { epoch: 0, chunk: 3, push: 0 },
    { epoch: 0, chunk: 0, push: 3 },
    { epoch: 0, chunk: 2, push: 2 },
    { epoch: 0.5, chunk: 0, push: 0 },
    { epoch: Number.NaN, chunk: 0, push: 0 },
    { epoch: 0, chunk: 2 ** 53, push: 0 },
  ])('refuses a push that the plan has not: $epoch, $chunk, $push', (key) => {
    const ledger = new Ledger(plan);
    expect(ledger.record(key, 4)).toBe('invalid');
    expect(account(ledger)).toMatchObject({ applied: 0, duplicatesDropped: 0, examplesApplied: 0 });
  });

  it('keeps one number of epochs that are through and a bit for each push of those under way', () => {
    const ledger = new Ledger({ ...plan, epochs: 1000 });
    for (const push of fakePushes({ jobId: 'job-a', shard: 0, chunks: { ...plan, epochs: 900 } }))
      ledger.record(push, push.examples);
    ledger.record({ epoch: 901, chunk: 1, push: 0 }, 8);
    expect(ledger.capture()).toMatchObject({
      closed: [[0, 900]],
      open: [{ epoch: 901, full: [], open: [{ page: 0 }] }],
    });
    expect(ledger.openEpochs()).toEqual([{ epoch: 901, settled: 1 }]);
  });

  it('remembers an epoch that closes before the one before it', () => {
    const ledger = new Ledger(plan);
    for (const push of pushes.filter(({ epoch }) => epoch === 1)) ledger.record(push, push.examples);
    expect(ledger.capture()).toMatchObject({ closed: [[1, 2]], open: [] });
    for (const push of pushes.filter(({ epoch }) => epoch === 0)) ledger.record(push, push.examples);
    expect(ledger.capture()).toMatchObject({ closed: [[0, 2]], open: [] });
  });

  it('adds up whatever is applied or bad: each is settled once, and the next of its kind is a duplicate', () => {
    const settlements = fc.array(fc.constantFrom('applied' as const, 'bad' as const), {
      minLength: pushes.length,
      maxLength: pushes.length,
    });
    const order = fc.shuffledSubarray(
      [...pushes.keys()].flatMap((index) => [index, index]),
      { minLength: 2 * pushes.length },
    );
    fc.assert(
      fc.property(settlements, order, (how, deliveries) => {
        const ledger = new Ledger(plan);
        for (const index of deliveries) {
          const push = pushes[index]!;
          ledger.record(push, push.examples, how[index]!);
          expect(ledger.applied + ledger.badDropped).toBe(ledger.settled);
        }
        const account = { ...ledger.account(), shard: 0, instance: null, refused: 0 };
        expect(accountProblem(account, plan, false)).toBeNull();
        expect(account).toMatchObject({
          applied: how.filter((each) => each === 'applied').length,
          badDropped: how.filter((each) => each === 'bad').length,
          duplicatesDropped: pushes.length,
        });
        expect(account.examplesApplied + account.examplesDropped).toBe(150);
        expect(Ledger.restore(plan, ledger.capture()).account()).toEqual(ledger.account());
      }),
      { numRuns: 50 },
    );
  });

  it('says which pushes of a chunk are settled, and of a chunk that is not in the plan none', () => {
    const ledger = new Ledger({ ...plan, epochs: 2 });
    const pushes = pushesInChunk(plan, 0);
    for (let push = 1; push < pushes; push++) ledger.record({ epoch: 0, chunk: 0, push }, 8);
    expect(ledger.settledPushes({ epoch: 0, chunk: 0 })).toEqual(Array.from({ length: pushes - 1 }, (_, i) => i + 1));
    for (const chunk of [-1, 0.5, 1e9]) expect(ledger.settledPushes({ epoch: 0, chunk })).toEqual([]);
    expect(ledger.settledPushes({ epoch: 7, chunk: 0 })).toEqual([]);
  });

  it('remembers the newest bad pushes with their workers', () => {
    const ledger = new Ledger({ ...plan, epochs: 10 });
    for (let epoch = 0; epoch < 10; epoch++) ledger.record({ epoch, chunk: 1, push: 0, worker: `w${epoch}` }, 8, 'bad');
    expect(ledger.badPushes).toHaveLength(8);
    expect(ledger.badPushes.at(-1)).toEqual({ epoch: 9, chunk: 1, push: 0, worker: 'w9' });
    expect(ledger.badDropped).toBe(10);
  });

  it('stays small in an epoch of a million chunks that come about in order, with stragglers', () => {
    const large: ChunkPlan = { examples: 1e6, chunkSize: 1, batchSize: 1, nPush: 1, epochs: 2, seed: 1 };
    const ledger = new Ledger(large);
    let largest = 0;
    const held: number[] = [];
    let refused = 0;
    const settle = (chunk: number) => {
      if (ledger.record({ epoch: 0, chunk, push: 0 }, 1) !== 'new') refused += 1;
    };
    for (let begin = 0; begin < 1e6; begin += 64) {
      // 64 workers overtake each other; a chunk of 50,000 is held by one that died, and comes 300,000 chunks later.
      for (let chunk = begin + 63; chunk >= begin; chunk--)
        if (chunk % 50_000 === 7) held.push(chunk);
        else settle(chunk);
      if (held[0] !== undefined && held[0] + 300_000 < begin) settle(held.shift()!);
      if (begin % 6400 === 0) largest = Math.max(largest, sizeOf(ledger));
    }
    for (const chunk of held) settle(chunk);
    expect(ledger.capture()).toMatchObject({ closed: [[0, 1]], open: [] });
    expect([ledger.applied, refused]).toEqual([1e6, 0]);
    // A bit for each push would be 125,000 bytes.
    expect(largest).toBeLessThan(4096);
    expect(largest).toBeGreaterThan(0);
  });

  it('stays small when a chunk of the first epoch comes last of all', () => {
    const many: ChunkPlan = { examples: 2, chunkSize: 1, batchSize: 1, nPush: 1, epochs: 500_000, seed: 1 };
    const ledger = new Ledger(many);
    for (let epoch = 0; epoch < many.epochs; epoch++) {
      if (epoch > 0) ledger.record({ epoch, chunk: 0, push: 0 }, 1);
      ledger.record({ epoch, chunk: 1, push: 0 }, 1);
    }
    expect(sizeOf(ledger)).toBeLessThan(1024);
    ledger.record({ epoch: 0, chunk: 0, push: 0 }, 1);
    expect(ledger.complete).toBe(true);
    expect(ledger.capture()).toMatchObject({ closed: [[0, 500_000]], open: [] });
  });

  it.each([
    { what: 'a page too far', open: [{ epoch: 0, full: [], open: [{ page: 1, bits: new Uint8Array(256) }] }] },
    { what: 'a page of another size', open: [{ epoch: 0, full: [], open: [{ page: 0, bits: new Uint8Array(9) }] }] },
    { what: 'a run too far', open: [{ epoch: 0, full: [[0, 2] as [number, number]], open: [] }] },
  ])('does not take the state of another plan: $what', ({ open }) => {
    expect(() => Ledger.restore(plan, { ...new Ledger(plan).capture(), open })).toThrow(RangeError);
  });
});

/** Bytes of what a snapshot keeps of it. */
const sizeOf = (ledger: Ledger): number => {
  const { open, ...rest } = ledger.capture();
  const pages = open.flatMap((epoch) => epoch.open).length;
  return 256 * pages + JSON.stringify({ rest, open: open.map(({ full }) => full) }).length;
};
