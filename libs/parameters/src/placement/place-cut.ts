import type { KeyRange, ModelCut, ParameterLayout, UpdateRuleSpec } from '@downpour/contracts';
import { DownpourError, partitionLayout, rangesInWhole } from '@downpour/contracts';
import { normaliseRanges } from '../key-range.ts';
import { maxShards, placeParameters } from './place-parameters.ts';
import type { PlacementName } from './place-parameters.ts';

export interface CutShard {
  partition: number;
  /** Of the whole vector. */
  ranges: KeyRange[];
}

/**
 * As `placeParameters` for a model that is cut: each shard holds variables of one partition only, whose member alone pulls and pushes it. Shards are shared out by size; a
 * partition without parameters has none.
 * @throws DownpourError invalid-request (field `shards`) when there are fewer shards than partitions with parameters, or as `placeParameters`.
 */
export function placeCut(
  layout: ParameterLayout,
  cut: ModelCut,
  shards: number,
  policy: PlacementName,
  rule?: UpdateRuleSpec,
): CutShard[] {
  const parts = Array.from({ length: cut.partitions }, (_, partition) => ({
    partition,
    own: partitionLayout(layout, cut, partition),
    shards: 1,
  })).filter(({ own }) => own.length > 0);
  if (shards < parts.length)
    throw new DownpourError(
      'invalid-request',
      `shards is ${shards}, but a shard holds variables of one partition only and ${parts.length} partitions have some: ask for ${parts.length} or more`,
      { field: 'shards' },
    );
  for (let left = shards - parts.length; left > 0; left--) {
    const largest = parts
      .filter((part) => part.shards < maxShards(part.own, policy))
      .sort((a, b) => b.own.length / b.shards - a.own.length / a.shards)[0];
    if (!largest) break;
    largest.shards += 1;
  }
  return parts.flatMap(({ partition, own, shards: count }) =>
    placeParameters(own, count, policy, rule).map((ranges) => ({
      partition,
      ranges: normaliseRanges(rangesInWhole(ranges, layout, cut, partition)),
    })),
  );
}
