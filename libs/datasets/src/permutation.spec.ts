import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { permutation } from './permutation.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

describe('the order of an epoch', () => {
  it('holds every example once, for any seed, epoch and size', () => {
    fc.assert(
      fc.property(uint32, fc.nat(100_000), fc.nat(2000), (seed, epoch, n) => {
        const seen = new Uint8Array(n);
        for (const row of permutation(seed, epoch, n)) seen[row]!++;
        expect(seen.every((times) => times === 1)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('is the same whenever it is asked for, in whatever process', () => {
    // Pinned: another order would change every seeded run and what a restarted sharder serves in mid-epoch.
    expect([...permutation(1, 0, 10)]).toEqual([...permutation(1, 0, 10)]);
    expect(`${permutation(1, 0, 10)}|${permutation(1, 1, 10)}|${permutation(2, 0, 10)}`).toBe(
      '3,4,8,6,1,0,7,5,2,9|8,7,2,0,3,4,5,1,9,6|3,6,0,1,5,4,8,9,2,7',
    );
  });

  it('differs between seeds and epochs, even when these are swapped', () => {
    const orders = [permutation(1, 2, 100), permutation(2, 1, 100), permutation(1, 3, 100), permutation(0, 0, 100)];
    expect(new Set(orders.map(String)).size).toBe(orders.length);
  });

  it('copes with nothing and with one', () => {
    expect([...permutation(1, 0, 0)]).toEqual([]);
    expect([...permutation(1, 0, 1)]).toEqual([0]);
  });

  it('is fair: every example is as likely at every place', () => {
    const n = 6;
    const runs = 12_000;
    const counts = new Float64Array(n * n);
    for (let epoch = 0; epoch < runs; epoch++) {
      permutation(7, epoch, n).forEach((row, place) => counts[place * n + row]!++);
    }
    const expected = runs / n;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 25 degrees of freedom: a fair shuffle exceeds 52.6 once in a thousand seeds, and this seed is fixed.
    expect(chiSquare).toBeLessThan(52.6);
  });
});
