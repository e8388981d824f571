import type { KeyRange } from '@downpour/contracts';
import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/**
 * In the order of the vector, each variable to the shard that holds least: TensorFlow's GreedyLoadBalancingStrategy with byte_size_load_fn
 * (tensorflow/contrib/training/python/training/device_setter.py), which places a variable when it is made and never again.
 */
export const greedy: PlacementPolicy = {
  limit: 'puts whole variables on shards',
  maxShards: (layout) => placedVariables(layout).length,
  place: (layout, shards) => {
    const placement: KeyRange[][] = Array.from({ length: shards }, () => []);
    const held = new Array<number>(shards).fill(0);
    for (const { offset, length } of placedVariables(layout)) {
      const least = held.indexOf(Math.min(...held));
      placement[least]!.push({ begin: offset, end: offset + length });
      held[least]! += length;
    }
    return placement;
  },
};
