import type { KeyRange, Variable } from '@downpour/contracts';

/** In the order given, each variable to the shard that holds least; ties go to the first shard. */
export function leastLoaded(variables: readonly Variable[], shards: number): KeyRange[][] {
  const placement: KeyRange[][] = Array.from({ length: shards }, () => []);
  const held = new Array<number>(shards).fill(0);
  for (const { offset, length } of variables) {
    const least = held.indexOf(Math.min(...held));
    placement[least]!.push({ begin: offset, end: offset + length });
    held[least]! += length;
  }
  return placement;
}
