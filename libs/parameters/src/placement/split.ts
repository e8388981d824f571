import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/** A cut this close to a variable's edge moves there, so that biases and small kernels stay whole. Share of a shard's even part. */
const SNAP_SHARE = 0.01;

/**
 * The vector cut into equal runs, through variables where they are large: every shard carries the same within two per cent, and a worker's
 * part for a shard is one run of its memory.
 */
export const split: PlacementPolicy = {
  limit: 'needs at least one value for each shard',
  maxShards: (layout) => layout.length,
  place: (layout, shards) => {
    const share = layout.length / shards;
    const edges = placedVariables(layout).map(({ offset }) => offset);
    const cutAt = (index: number): number => {
      if (index === 0 || index === shards) return index * share;
      const even = Math.round(index * share);
      const nearest = edges.reduce((best, edge) => (Math.abs(edge - even) < Math.abs(best - even) ? edge : best), 0);
      return Math.abs(nearest - even) <= share * SNAP_SHARE ? nearest : even;
    };
    return Array.from({ length: shards }, (_, index) => [{ begin: cutAt(index), end: cutAt(index + 1) }]);
  },
};
