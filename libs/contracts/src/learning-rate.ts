import type { LearningRateSchedule } from './learning-rate-schedule.ts';
import { cosPi, power } from './portable-math.ts';

/** Where a shard is in its job, before the gradient that the rate is for. */
export interface SchedulePosition {
  version: number;
  /** Epochs settled, fractions included. */
  epochs: number;
}

/**
 * What a schedule multiplies the update rule's learning rate by. It depends on nothing but the position: all shards have the same rate at the same version, and so
 * has a shard that was recovered, or that is replayed. What reduceOnPlateau has made of the rate is not in it: that is part of the shard's control.
 */
export function scheduleFactor(
  schedule: LearningRateSchedule | undefined,
  { version, epochs }: SchedulePosition,
): number {
  if (schedule === undefined) return 1;
  const at = schedule.unit === 'versions' ? version : epochs;
  const { warmup } = schedule;
  const rise = warmup === undefined ? 0 : warmup.over;
  if (warmup !== undefined && at < rise) return warmup.startFactor + (1 - warmup.startFactor) * (at / rise);
  const since = at - rise;
  switch (schedule.kind) {
    case 'constant':
    case 'reduceOnPlateau':
      return 1;
    case 'step': {
      const { every, factor, boundaries = [], factors } = schedule;
      if (every !== undefined) return power(factor, Math.floor(since / every));
      const passed = boundaries.filter((boundary) => at > boundary).length;
      return passed === 0 ? 1 : (factors?.[passed - 1] ?? power(factor, passed));
    }
    case 'cosine': {
      const { over, alpha } = schedule;
      const cosine = (1 + cosPi(Math.min(since / over, 1))) / 2;
      return (1 - alpha) * cosine + alpha;
    }
    case 'exponential': {
      const { over, rate, staircase } = schedule;
      const lengths = since / over;
      return power(rate, staircase ? Math.floor(lengths) : lengths);
    }
  }
}
