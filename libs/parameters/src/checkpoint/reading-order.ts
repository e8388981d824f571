import type { KeyRange } from '@downpour/contracts';

/** Values [begin, end) of a shard's own vector. */
export interface ShardRun {
  shard: number;
  begin: number;
  end: number;
}

/**
 * In which order to read the shards' vectors so that the job's vector comes out, up to `length` of it (all, or the trainable part), in runs
 * of at most `most` values.
 */
export function* readingOrder(
  shards: readonly { shard: number; ranges: readonly KeyRange[] }[],
  length: number,
  most: number,
): Generator<ShardRun> {
  const parts: { shard: number; own: number; range: KeyRange }[] = [];
  for (const { shard, ranges } of shards) {
    let own = 0;
    for (const range of ranges) {
      parts.push({ shard, own, range });
      own += range.end - range.begin;
    }
  }
  for (const { shard, own, range } of parts.sort((a, b) => a.range.begin - b.range.begin)) {
    const end = Math.min(range.end, length);
    for (let at = range.begin; at < end; at += most)
      yield { shard, begin: own + at - range.begin, end: own + Math.min(at + most, end) - range.begin };
  }
}
