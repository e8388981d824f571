import type { LearningRateSchedule, SchedulePosition, UpdateRuleSpec } from '@downpour/contracts';
import { scheduleFactor } from '@downpour/contracts';
import type { VectorKernels } from '@downpour/kernels';

/** What of a job decides how far a gradient moves its parameters. */
export interface RateOptions {
  rule: UpdateRuleSpec;
  schedule?: LearningRateSchedule;
  weightDecay?: number;
}

/**
 * The update rule for the next gradient of a shard that is at `position`: with the rate of its schedule, times `factor` (what reduceOnPlateau has made of it, or what
 * the gradient's staleness makes of it).
 */
export const ruleAt = ({ rule, schedule }: RateOptions, position: SchedulePosition, factor = 1): UpdateRuleSpec => {
  const scaled = scheduleFactor(schedule, position) * factor;
  return scaled === 1 ? rule : { ...rule, learningRate: rule.learningRate * scaled };
};

/**
 * w -= rate * weightDecay * w, before the gradient is applied: Keras's weight_decay, Loshchilov and Hutter's AdamW with any rule. The product is rounded before it is
 * subtracted: 1 - rate * weightDecay as one float32 factor would have lost most digits of the decay. `trainable` is all it may be given: moving averages do not decay.
 */
export const decayWeights = (
  kernels: VectorKernels,
  { weightDecay = 0 }: RateOptions,
  learningRate: number,
  trainable: Float32Array,
): void => {
  if (weightDecay > 0) kernels.axpy(-learningRate * weightDecay, trainable, trainable);
};
