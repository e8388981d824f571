import type { ChunkPlan, JobPlan, JobSpec, KeyRange, UpdateRuleSpec } from '@downpour/contracts';
import { rangesLength, trainableLengthOf } from './key-range.ts';

/** All that makes one shard of one job what it is. Two processes with the same identity and log hold the same bits. */
export interface ShardIdentity {
  jobId: string;
  shard: number;
  ranges: KeyRange[];
  /** Values the shard holds. */
  length: number;
  /** The first so many of them are trainable, the others state. */
  trainableLength: number;
  /** Values of the whole job. */
  jobLength: number;
  rule: UpdateRuleSpec;
  chunks: ChunkPlan;
  onBadGradient: JobSpec['onBadGradient'];
}

/** @throws RangeError when the plan has no such shard. */
export const shardIdentity = (plan: JobPlan, shard: number): ShardIdentity => {
  const placement = plan.shards.find((candidate) => candidate.shard === shard);
  if (placement === undefined) throw new RangeError(`Job ${plan.jobId} has no shard ${shard}`);
  const { ranges } = placement;
  return {
    jobId: plan.jobId,
    shard,
    ranges,
    length: rangesLength(ranges),
    trainableLength: trainableLengthOf(ranges, plan.layout),
    jobLength: plan.layout.length,
    rule: plan.spec.updateRule,
    chunks: plan.chunks,
    onBadGradient: plan.spec.onBadGradient,
  };
};
