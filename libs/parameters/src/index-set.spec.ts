import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexSet, RunSet } from './index-set.ts';

describe('RunSet', () => {
  it('holds what was added, in as few runs as there can be', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40)), fc.nat(40), (added, asked) => {
        const set = new RunSet();
        for (const index of added) set.add(index);
        const members = new Set(added);
        expect(set.has(asked)).toBe(members.has(asked));
        expect(set.size).toBe(members.size);
        const runs = set.runs();
        const starts = [...members].filter((index) => !members.has(index - 1));
        expect(runs.map(([begin]) => begin)).toEqual(starts.sort((a, b) => a - b));
        expect(runs.every(([begin, end]) => begin < end && !members.has(end))).toBe(true);
        expect(new RunSet(runs).runs()).toEqual(runs);
      }),
    );
  });
});

describe('IndexSet', () => {
  it.each([1, 7, 2047, 2048, 2049, 5000, 6144])('of %i indices holds what was added, in any order', (length) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: length }), (seed, count) => {
        // A step without a common divisor visits every index once.
        const step = [1, 3, 5, 11, 1009].find((each) => gcd(each, length) === 1) ?? 1;
        const order = Array.from({ length }, (_, at) => (at * step + Math.abs(seed)) % length);
        const set = new IndexSet(length);
        for (const index of order.slice(0, count)) {
          expect(set.has(index)).toBe(false);
          set.add(index);
        }
        const restored = new IndexSet(length, set.capture());
        expect(restored.size).toBe(count);
        for (const [at, index] of order.entries()) expect(restored.has(index)).toBe(at < count);
        for (const index of order.slice(count)) restored.add(index);
        expect(restored.capture()).toEqual({ full: [[0, Math.ceil(length / 2048)]], open: [] });
        expect(set.size).toBe(count);
      }),
      { numRuns: 20 },
    );
  });
});

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
