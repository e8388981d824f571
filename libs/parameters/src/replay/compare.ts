import type { KeyRange, ParameterLayout, PushHeader } from '@downpour/contracts';
import { Replay } from './replay.ts';
import type { ReplaySource } from './replay.ts';

/** How two vectors differ in one variable. */
export interface VariableDifference {
  name: string;
  /** Values whose bits differ, of all that were compared. */
  differing: number;
  values: number;
  maxAbs: number;
  /** |a - b| / max(|a|, |b|); 0 where both are 0. */
  maxRelative: number;
  /** Index within the variable, and the two values, of the first that differs. */
  first: { index: number; a: number; b: number } | null;
}

/** The first version at which two replays of a shard are not the same to the bit, and the pushes that made it; null pushes: the beginning. */
export interface FirstDifference {
  shard: number;
  version: number;
  a: PushHeader | null;
  b: PushHeader | null;
}

const bitsOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Whether two vectors are the same to the bit. NaN equals NaN, 0 and -0 differ. */
export const sameBits = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bitsOf(a), bitsOf(b)) === 0;

/** Two vectors of one job, by variable, only of values within `ranges`. */
export const compareVectors = (
  layout: ParameterLayout,
  a: Float32Array,
  b: Float32Array,
  ranges: readonly KeyRange[],
): VariableDifference[] => {
  const bits = [a, b].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const differences: VariableDifference[] = [];
  for (const { name, offset, length } of layout.variables) {
    const difference: VariableDifference = { name, differing: 0, values: 0, maxAbs: 0, maxRelative: 0, first: null };
    for (const range of ranges) {
      const end = Math.min(range.end, offset + length);
      for (let at = Math.max(range.begin, offset); at < end; at++) {
        difference.values += 1;
        if (bits[0]![at] === bits[1]![at]) continue;
        difference.differing += 1;
        difference.first ??= { index: at - offset, a: a[at]!, b: b[at]! };
        const abs = Math.abs(a[at]! - b[at]!);
        const scale = Math.max(Math.abs(a[at]!), Math.abs(b[at]!));
        difference.maxAbs = largest(difference.maxAbs, abs);
        if (scale > 0 || Number.isNaN(scale)) difference.maxRelative = largest(difference.maxRelative, abs / scale);
      }
    }
    if (difference.values > 0) differences.push(difference);
  }
  return differences;
};

/** NaN is larger than any number: a run that has diverged must not look like one that has not. */
const largest = (a: number, b: number): number => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b));

/**
 * Replays one shard of two logs side by side, version by version, until they differ or either ends, or to `version`.
 * @returns null when they are the same as far as both go
 */
export const firstDifference = async (
  a: ReplaySource,
  b: ReplaySource,
  shard: number,
  version = Infinity,
): Promise<FirstDifference | null> => {
  const [one, other] = await Promise.all([Replay.begin(a, shard), Replay.begin(b, shard)]);
  try {
    for (;;) {
      if (!sameBits(one.shard.parameters, other.shard.parameters))
        return { shard, version: one.shard.version, a: one.last, b: other.last };
      if (one.shard.version >= version) return null;
      const [more, moreOther] = [await one.next(), await other.next()];
      if (!more || !moreOther) return null;
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
};
