import { isLowerBetter, metricOf } from '@downpour/contracts';
import type { Evaluation, JobSpec } from '@downpour/contracts';

/** Of the numbers added up by epochs: 3 * 0.1 must count as 0.3. */
const EPSILON = 1e-9;

/**
 * Number of the evaluation or checkpoint that is due after `epochsDone` of `epochs`, the n-th at n * every; null when none is. Of several
 * that are overdue only the newest: the parameters of the others are gone. The one at the very end is not asked for here.
 */
export function dueMultiple(every: number, epochs: number, epochsDone: number, requested: number): number | null {
  if (epochsDone >= epochs - EPSILON) return null;
  const due = Math.floor(epochsDone / every + EPSILON);
  return due > requested ? due : null;
}

/** True when an evaluation reaches what the job is to stop at: loss and errors at most, others at least. */
export function reaches(stopAt: JobSpec['stopAt'], evaluation: Evaluation): boolean {
  if (stopAt === undefined) return false;
  const value = metricOf(evaluation, stopAt.metric);
  if (value === null) return false;
  return isLowerBetter(stopAt.metric) ? value <= stopAt.value : value >= stopAt.value;
}
