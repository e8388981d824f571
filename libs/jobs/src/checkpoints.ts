import type { CheckpointReason, CheckpointSummary, JobRecord } from '@downpour/contracts';

/** The job with one more checkpoint to be taken. Numbers are never used twice. `at` is ISO 8601. */
export function addCheckpoint(
  job: JobRecord,
  why: CheckpointReason,
  at: string,
): { job: JobRecord; checkpoint: CheckpointSummary } {
  const number = (job.checkpoints.at(-1)?.number ?? 0) + 1;
  const checkpoint: CheckpointSummary = {
    number,
    state: 'pending',
    why,
    reason: null,
    at,
    epoch: 0,
    exact: false,
    bytes: 0,
    digest: null,
  };
  return { job: { ...job, checkpoints: [...job.checkpoints, checkpoint] }, checkpoint };
}

/** The newest one, or the one of that number, if it is complete. */
export function completeCheckpoint(job: JobRecord, number?: number): CheckpointSummary | null {
  const complete = job.checkpoints.filter(({ state }) => state === 'complete');
  return (number === undefined ? complete.at(-1) : complete.find((checkpoint) => checkpoint.number === number)) ?? null;
}
