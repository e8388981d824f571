import type { ChunkPlan, JobPlan, JobSpec, KeyRange, StrategySpec } from '@downpour/contracts';
import type { RateOptions } from './learning-rate.ts';
import { rangesLength, trainableLengthOf } from './key-range.ts';

/** All that makes one shard of one job what it is. Two processes with the same identity and log hold the same bits. */
export interface ShardIdentity extends RateOptions {
  jobId: string;
  shard: number;
  ranges: KeyRange[];
  /** Values the shard holds. */
  length: number;
  /** The first so many of them are trainable, the others state. */
  trainableLength: number;
  /** Values of the whole job. */
  jobLength: number;
  /** As the job begins; what becomes of it in mid-job is in the log. */
  strategy: StrategySpec;
  chunks: ChunkPlan;
  onBadGradient: JobSpec['onBadGradient'];
}

/** @throws RangeError when the plan has no such shard. */
export const shardIdentity = (plan: JobPlan, shard: number): ShardIdentity => {
  const placement = plan.shards.find((candidate) => candidate.shard === shard);
  if (placement === undefined) throw new RangeError(`Job ${plan.jobId} has no shard ${shard}`);
  const { ranges } = placement;
  const { learningRateSchedule: schedule, weightDecay } = plan.spec;
  return {
    jobId: plan.jobId,
    shard,
    ranges,
    length: rangesLength(ranges),
    trainableLength: trainableLengthOf(ranges, plan.layout),
    jobLength: plan.layout.length,
    rule: plan.spec.updateRule,
    ...(schedule !== undefined && { schedule }),
    ...(weightDecay !== undefined && { weightDecay }),
    strategy: plan.spec.strategy,
    chunks: plan.chunks,
    onBadGradient: plan.spec.onBadGradient,
  };
};
