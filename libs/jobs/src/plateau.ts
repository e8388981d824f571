import type { Evaluation, JobSpec, Plateau, ReduceOnPlateau } from '@downpour/contracts';
import { patienceAfter } from './patience.ts';

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

function next(schedule: ReduceOnPlateau, before: Plateau, evaluation: Evaluation): Plateau {
  const { best, waited } = patienceAfter(schedule, before, evaluation);
  const { factor } = before;
  const { patience, minFactor } = schedule;
  if (waited < patience) return { factor, best, waited };
  return { factor: Math.min(factor, Math.max(factor * schedule.factor, minFactor)), best, waited: 0 };
}
