import type { JobSpec, KeyRange, ParameterLayout, UpdateRuleSpec } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { normaliseRanges, rangesLength } from '../key-range.ts';
import { byteBalanced } from './byte-balanced.ts';
import { greedy } from './greedy.ts';
import { partitionVariables } from './partition-variables.ts';
import type { PlacementPolicy } from './placement-policy.ts';
import { roundRobin } from './round-robin.ts';
import { checkShardSizes } from './shard-limit.ts';
import { split } from './split.ts';

export type PlacementName = JobSpec['placement'];

const policies: Record<Exclude<PlacementName, object>, PlacementPolicy> = {
  even: split,
  split,
  roundRobin,
  greedy,
  byteBalanced,
};

/** The policy, and how a message names it. With a partitioner it is given the pieces instead of the variables. */
const policyOf = (placement: PlacementName): PlacementPolicy & { name: string } => {
  if (typeof placement === 'string') return { ...policies[placement], name: placement };
  const { policy: name, partitioner } = placement;
  const policy = policies[name];
  if (partitioner === undefined) return { ...policy, name };
  return {
    name: `${name} with ${partitioner.kind}`,
    limit: 'puts whole pieces of variables on shards',
    maxShards: (layout) => policy.maxShards(partitionVariables(layout, partitioner)),
    place: (layout, shards) => policy.place(partitionVariables(layout, partitioner), shards),
  };
};

/** Most shards that the policy can use for this vector: what a default for `shards` should not exceed. */
export const maxShards = (layout: ParameterLayout, policy: PlacementName): number => policyOf(policy).maxShards(layout);

/**
 * Lays a job's vector, its state part too, on shards: sorted, disjoint ranges by shard; every offset in exactly one of them, no shard
 * empty. The same arguments give the same answer.
 * @param rule when given, shards are kept within what one memory holds with the slots of this rule
 * @throws DownpourError invalid-request (field `shards`) when there are more shards than the policy can fill, or so few that one is too large.
 */
export const placeParameters = (
  layout: ParameterLayout,
  shards: number,
  policy: PlacementName,
  rule?: UpdateRuleSpec,
): KeyRange[][] => {
  if (!Number.isInteger(shards) || shards < 1)
    throw new DownpourError('invalid-request', `shards is ${shards}; it should be a whole number from 1`, {
      field: 'shards',
    });
  const { maxShards: most, place, limit, name } = policyOf(policy);
  if (shards > most(layout)) {
    const instead = policies.split.limit !== limit && shards <= layout.length ? ', or use placement "split"' : '';
    throw new DownpourError(
      'invalid-request',
      `${shards} shards are more than this model can fill: placement "${name}" ${limit}, and the model has ` +
        `${layout.length} values in ${layout.variables.length} variables. Ask for at most ${most(layout)} shards${instead}.`,
      { field: 'shards' },
    );
  }
  const placed = (count: number): KeyRange[][] => place(layout, count).map(normaliseRanges);
  const placement = placed(shards);
  if (rule !== undefined) checkShardSizes(layout, placement, rule, most(layout), placed);
  return placement;
};

/** How evenly a placement spreads pulls, pushes and memory. */
export interface PlacementBalance {
  /** Bytes of one pull or push (float32), by shard. */
  bytes: number[];
  /** Bytes of the busiest shard over the mean: 1 is perfect. */
  imbalance: number;
}

export const placementBalance = (placement: readonly (readonly KeyRange[])[]): PlacementBalance => {
  const bytes = placement.map((ranges) => rangesLength(ranges) * Float32Array.BYTES_PER_ELEMENT);
  const total = bytes.reduce((sum, part) => sum + part, 0);
  return { bytes, imbalance: total === 0 ? 1 : (Math.max(...bytes) * bytes.length) / total };
};
