import type { KeyRange } from '@downpour/contracts';
import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/**
 * The first variable on the first shard, the second on the second, and around: TensorFlow's replica_device_setter. Blind to size: one
 * large dense layer makes one shard carry nearly everything (tensorflow issue 24953). Here for comparison.
 */
export const roundRobin: PlacementPolicy = {
  limit: 'puts whole variables on shards',
  maxShards: (layout) => placedVariables(layout).length,
  place: (layout, shards) => {
    const placement: KeyRange[][] = Array.from({ length: shards }, () => []);
    for (const [index, { offset, length }] of placedVariables(layout).entries())
      placement[index % shards]!.push({ begin: offset, end: offset + length });
    return placement;
  },
};
