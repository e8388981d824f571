import { leastLoaded } from './least-loaded.ts';
import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/** Largest variable first, each to the shard that holds least: at most 4/3 of the best that whole variables allow (Graham 1969). */
export const byteBalanced: PlacementPolicy = {
  limit: 'puts whole variables on shards',
  maxShards: (layout) => placedVariables(layout).length,
  place: (layout, shards) => {
    // Ties go by offset: the same layout is always placed alike.
    const bySize = placedVariables(layout).sort((a, b) => b.length - a.length || a.offset - b.offset);
    return leastLoaded(bySize, shards);
  },
};
