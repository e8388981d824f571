import type { KeyRange, ParameterLayout, UpdateRuleSpec } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { VectorMemory } from '@downpour/kernels';
import { rangesLength, trainableLengthOf } from '../key-range.ts';
import { ShardMemory } from '../shard-memory.ts';
import { updateRuleOf } from '../update-rules/rules.ts';

/** Counts of shards that are tried before it is said that none will do: with whole variables a large one may not fit anywhere. */
const TRIES = 64;
const GIB = 2 ** 30;

/**
 * Refuses a placement with a shard that is larger than one WebAssembly memory (4 GiB), with the slots of its rule and room for a gradient.
 * @param place the placement on another number of shards, up to `maxShards`
 * @throws DownpourError invalid-request (field `shards`), which says how many shards would do.
 */
export const checkShardSizes = (
  layout: ParameterLayout,
  placement: readonly (readonly KeyRange[])[],
  rule: UpdateRuleSpec,
  maxShards: number,
  place: (shards: number) => readonly (readonly KeyRange[])[],
): void => {
  const largest = largestShardBytes(layout, placement, rule);
  if (largest <= VectorMemory.maxVectorBytes) return;
  const shards = placement.length;
  // No fewer can do, however even the placement.
  const total = largestShardBytes(layout, [[{ begin: 0, end: layout.length }]], rule);
  const least = Math.max(shards + 1, Math.ceil(total / VectorMemory.maxVectorBytes));
  let enough: number | null = null;
  for (let count = least; count <= Math.min(maxShards, least + TRIES) && enough === null; count++)
    if (largestShardBytes(layout, place(count), rule) <= VectorMemory.maxVectorBytes) enough = count;
  const advice = enough === null ? 'Use placement "split" and more shards' : `Ask for ${enough} shards or more`;
  throw new DownpourError(
    'invalid-request',
    `With update rule ${rule.kind} on ${shards} shard${shards === 1 ? '' : 's'} one of them would need ${(largest / GIB).toFixed(1)} GiB ` +
      `for its parameters, what the rule remembers, and a gradient; the most is 4 GiB. ${advice}.`,
    { field: 'shards' },
  );
};

const largestShardBytes = (
  layout: ParameterLayout,
  placement: readonly (readonly KeyRange[])[],
  rule: UpdateRuleSpec,
): number => {
  const slots = updateRuleOf(rule).slots(rule).length;
  return placement.reduce(
    (most, ranges) =>
      Math.max(most, ShardMemory.addressedBytes(rangesLength(ranges), trainableLengthOf(ranges, layout), slots)),
    0,
  );
};
