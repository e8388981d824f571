import type { KeyRange } from '@downpour/contracts';
import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/** Largest variable first, each to the shard that holds least: at most 4/3 of the best that whole variables allow (Graham 1969). */
export const byteBalanced: PlacementPolicy = {
  limit: 'puts whole variables on shards',
  maxShards: (layout) => placedVariables(layout).length,
  place: (layout, shards) => {
    const placement: KeyRange[][] = Array.from({ length: shards }, () => []);
    const held = new Array<number>(shards).fill(0);
    // Ties go by offset, then by shard: the same layout is always placed alike.
    const bySize = placedVariables(layout).sort((a, b) => b.length - a.length || a.offset - b.offset);
    for (const { offset, length } of bySize) {
      const least = held.indexOf(Math.min(...held));
      placement[least]!.push({ begin: offset, end: offset + length });
      held[least]! += length;
    }
    return placement;
  },
};
