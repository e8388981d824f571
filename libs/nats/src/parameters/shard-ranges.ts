import type { KeyRange, ShardPlacement } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { copyBytes } from '@downpour/tensor';

/** Number of values of a shard. */
export const shardLength = ({ ranges }: ShardPlacement): number =>
  ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);

/** A shard's part of a flat vector, range by range: views, nothing is copied. */
export const gatherParts = (vector: Float32Array, ranges: readonly KeyRange[]): Float32Array[] =>
  ranges.map(({ begin, end }) => vector.subarray(begin, end));

/**
 * Writes a shard's own vector (float32, the concatenation of its ranges) to its places in the flat one: one copy, whatever the alignment of
 * `bytes`. @throws DownpourError internal when the lengths differ
 */
export const scatterBytes = (bytes: Uint8Array, into: Float32Array, ranges: readonly KeyRange[]): void => {
  const target = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  const length = ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
  if (bytes.byteLength !== length * 4)
    throw new DownpourError('internal', `The shard sent ${bytes.byteLength} bytes instead of ${length * 4}`);
  let at = 0;
  for (const { begin, end } of ranges) {
    const next = at + (end - begin) * 4;
    copyBytes(bytes.subarray(at, next), target, begin * 4);
    at = next;
  }
};
