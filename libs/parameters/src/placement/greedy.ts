import { leastLoaded } from './least-loaded.ts';
import type { PlacementPolicy } from './placement-policy.ts';
import { placedVariables } from './placement-policy.ts';

/**
 * In the order of the vector, each variable to the shard that holds least: TensorFlow's GreedyLoadBalancingStrategy with byte_size_load_fn
 * (tensorflow/contrib/training/python/training/device_setter.py), which places a variable when it is made and never again.
 */
export const greedy: PlacementPolicy = {
  limit: 'puts whole variables on shards',
  maxShards: (layout) => placedVariables(layout).length,
  place: (layout, shards) => leastLoaded(placedVariables(layout), shards),
};
