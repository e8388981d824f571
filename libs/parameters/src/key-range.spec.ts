import { describe, expect, it } from 'vitest';
import {
  gatherRanges,
  normaliseRanges,
  rangesLength,
  scatterRanges,
  trainableLengthOf,
  viewRanges,
} from './key-range.ts';

const ranges = [
  { begin: 1, end: 3 },
  { begin: 5, end: 9 },
];
const layout = { length: 10, trainableLength: 6, variables: [] };

describe('key ranges', () => {
  it('gathers and scatters the same values', () => {
    const vector = Float32Array.from({ length: 10 }, (_, index) => index);
    const shard = gatherRanges(vector, ranges, new Float32Array(6));
    expect([...shard]).toEqual([1, 2, 5, 6, 7, 8]);
    expect([...scatterRanges(shard, ranges, new Float32Array(10))]).toEqual([0, 1, 2, 0, 0, 5, 6, 7, 8, 0]);
    expect(viewRanges(vector, ranges).map((view) => view.buffer === vector.buffer)).toEqual([true, true]);
  });

  it('counts values, and which of them are trainable', () => {
    expect(rangesLength(ranges)).toBe(6);
    expect(trainableLengthOf(ranges, layout)).toBe(3);
    expect(trainableLengthOf([{ begin: 7, end: 9 }], layout)).toBe(0);
    expect(rangesLength([])).toBe(0);
  });

  it('sorts, joins what touches and drops what is empty', () => {
    expect(
      normaliseRanges([
        { begin: 4, end: 6 },
        { begin: 2, end: 2 },
        { begin: 0, end: 1 },
        { begin: 6, end: 7 },
      ]),
    ).toEqual([
      { begin: 0, end: 1 },
      { begin: 4, end: 7 },
    ]);
  });
});
