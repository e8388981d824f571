import type { Evaluation, JobSpec, Plateau, ReduceOnPlateau } from '@downpour/contracts';

const BEGINNING: Plateau = { factor: 1, best: null, waited: 0 };

/**
 * What reduceOnPlateau (Keras's ReduceLROnPlateau without cooldown) makes of the learning rate: a fold over the job's evaluations, in their order. Only the coordinator sees these; the factor
 * reaches shards as their control, a record in each push log, and so becomes part of their fold.
 * @returns null for a job without such a schedule
 */
export function plateauAfter(
  spec: Pick<JobSpec, 'learningRateSchedule'>,
  before: Plateau | null,
  news: readonly Evaluation[],
): Plateau | null {
  const schedule = spec.learningRateSchedule;
  if (schedule?.kind !== 'reduceOnPlateau') return null;
  return news.reduce((plateau, evaluation) => next(schedule, plateau, evaluation), before ?? BEGINNING);
}

function next(schedule: ReduceOnPlateau, { factor, best, waited }: Plateau, evaluation: Evaluation): Plateau {
  const value = evaluation[schedule.metric];
  // Regression has no accuracy.
  if (value === null) return { factor, best, waited };
  const { metric, minDelta, patience, minFactor } = schedule;
  const gain = best === null ? Infinity : metric === 'loss' ? best - value : value - best;
  if (gain > minDelta) return { factor, best: value, waited: 0 };
  if (waited + 1 < patience) return { factor, best, waited: waited + 1 };
  return { factor: Math.min(factor, Math.max(factor * schedule.factor, minFactor)), best, waited: 0 };
}
