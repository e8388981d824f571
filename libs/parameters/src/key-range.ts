import type { KeyRange, ParameterLayout } from '@downpour/contracts';

/*
 * A shard's own vector is the concatenation of its ranges of the job's vector. Ranges are sorted and the job's vector is trainable up
 * to `trainableLength`, so a shard's vector is trainable up to some length of its own, too, and state after it.
 */

/** Number of values in the ranges. */
export const rangesLength = (ranges: readonly KeyRange[]): number =>
  ranges.reduce((sum, { begin, end }) => sum + (end - begin), 0);

/** How many of a shard's values are trainable; the others, at its end, are state. */
export const trainableLengthOf = (ranges: readonly KeyRange[], layout: ParameterLayout): number =>
  ranges.reduce((sum, { begin, end }) => sum + Math.max(0, Math.min(end, layout.trainableLength) - begin), 0);

/** Sorted, and with neighbours that touch made one. Empty ranges vanish. */
export const normaliseRanges = (ranges: readonly KeyRange[]): KeyRange[] => {
  const merged: KeyRange[] = [];
  for (const { begin, end } of [...ranges].sort((a, b) => a.begin - b.begin)) {
    if (begin === end) continue;
    const last = merged.at(-1);
    if (last?.end === begin) last.end = end;
    else merged.push({ begin, end });
  }
  return merged;
};

/** The parts of the job's vector that a shard holds, as views: nothing is copied. */
export const viewRanges = (vector: Float32Array, ranges: readonly KeyRange[]): Float32Array[] =>
  ranges.map(({ begin, end }) => vector.subarray(begin, end));

/** Job's vector -> shard's vector. */
export const gatherRanges = (vector: Float32Array, ranges: readonly KeyRange[], into: Float32Array): Float32Array => {
  let at = 0;
  for (const { begin, end } of ranges) {
    into.set(vector.subarray(begin, end), at);
    at += end - begin;
  }
  return into;
};

/** Shard's vector -> job's vector. */
export const scatterRanges = (shard: Float32Array, ranges: readonly KeyRange[], into: Float32Array): Float32Array => {
  let at = 0;
  for (const { begin, end } of ranges) {
    into.set(shard.subarray(at, at + end - begin), begin);
    at += end - begin;
  }
  return into;
};
