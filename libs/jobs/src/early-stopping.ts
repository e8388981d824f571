import type { Evaluation, JobRecord, JobSpec, Patience } from '@downpour/contracts';
import { reaches } from './evaluations.ts';
import { coordinationOf } from './job-record.ts';
import { patienceAfter } from './patience.ts';

const BEGINNING: Patience = { best: null, waited: 0 };

/**
 * How far earlyStopping (Keras's EarlyStopping, without restoring) has come: a fold over the job's evaluations, in their order. Patience that has run out stays so, whatever
 * an evaluation that was under way says: the job is being stopped.
 * @returns null for a job without it
 */
export function earlyStoppingAfter(
  { earlyStopping }: Pick<JobSpec, 'earlyStopping'>,
  before: Patience | null,
  news: readonly Evaluation[],
): Patience | null {
  if (earlyStopping === undefined) return null;
  return news.reduce(
    (state, evaluation) =>
      state.waited >= earlyStopping.patience ? state : patienceAfter(earlyStopping, state, evaluation),
    before ?? BEGINNING,
  );
}

/** Whether the job's evaluations so far say that it is to stop: `stopAt` is reached, or nothing has improved for too long. */
export function isToStop(job: Pick<JobRecord, 'spec' | 'evaluations' | 'coordination'>): boolean {
  const { stopAt, earlyStopping } = job.spec;
  if (job.evaluations.some((evaluation) => reaches(stopAt, evaluation))) return true;
  const { earlyStopping: state } = coordinationOf(job);
  return earlyStopping !== undefined && state !== null && state.waited >= earlyStopping.patience;
}
