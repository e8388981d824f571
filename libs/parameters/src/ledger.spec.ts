import type { ChunkPlan } from '@downpour/contracts';
import { expectedPushes } from '@downpour/contracts';
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
      closedBelow: 900,
      closed: [],
      open: [{ epoch: 901, bits: { length: 1 } }],
    });
    expect(ledger.openEpochs()).toEqual([{ epoch: 901, applied: 1 }]);
  });

  it('remembers an epoch that closes before the one before it', () => {
    const ledger = new Ledger(plan);
    for (const push of pushes.filter(({ epoch }) => epoch === 1)) ledger.record(push, push.examples);
    expect(ledger.capture()).toMatchObject({ closedBelow: 0, closed: [1], open: [] });
    for (const push of pushes.filter(({ epoch }) => epoch === 0)) ledger.record(push, push.examples);
    expect(ledger.capture()).toMatchObject({ closedBelow: 2, closed: [], open: [] });
  });

  it('counts what a strategy drops on purpose', () => {
    const ledger = new Ledger(plan);
    ledger.recordLate();
    expect(Ledger.restore(plan, ledger.capture()).lateDropped).toBe(1);
  });

  it('does not take the bitmap of another plan', () => {
    const state = { ...new Ledger(plan).capture(), open: [{ epoch: 0, bits: new Uint8Array(9) }] };
    expect(() => Ledger.restore(plan, state)).toThrow('another plan');
  });
});
