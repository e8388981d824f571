import type { Evaluation, JobSpec } from '@downpour/contracts';

/** Of the numbers added up by epochs: 3 * 0.1 must count as 0.3. */
const EPSILON = 1e-9;

/**
 * Number of the evaluation that is due after `epochsDone` epochs, the n-th at n * evaluateEvery; null when none is. Of several that
 * are overdue only the newest: the parameters of the others are gone. The one at the very end is the final one, not asked for here.
 */
export function dueEvaluation(
  spec: Pick<JobSpec, 'evaluateEvery' | 'epochs'>,
  epochsDone: number,
  requested: number,
): number | null {
  if (epochsDone >= spec.epochs - EPSILON) return null;
  const due = Math.floor(epochsDone / spec.evaluateEvery + EPSILON);
  return due > requested ? due : null;
}

/** True when an evaluation reaches what the job is to stop at: accuracy at least, loss at most. */
export function reaches(stopAt: JobSpec['stopAt'], evaluation: Evaluation): boolean {
  if (stopAt === undefined) return false;
  if (stopAt.metric === 'loss') return evaluation.loss <= stopAt.value;
  return evaluation.accuracy !== null && evaluation.accuracy >= stopAt.value;
}
