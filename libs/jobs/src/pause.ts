import type { JobRecord } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { coordinationOf } from './job-record.ts';
import { isTerminal, moveTo } from './job-state.ts';

/**
 * The job on its way to `paused`; itself when it is there, or on the way. `at` is ISO 8601.
 * @throws DownpourError conflict when it is about to end, or has.
 */
export function pauseJob(job: JobRecord, at: string): JobRecord {
  const { state, id } = job;
  if (state === 'paused' || state === 'pausing') return job;
  if (isTerminal(state))
    throw new DownpourError('conflict', `Job ${id} has ${state} already: there is nothing to pause`);
  if (state === 'finishing')
    throw new DownpourError('conflict', `Job ${id} is trained and about to end: there is nothing to pause`);
  const coordination = { ...coordinationOf(job), pausedAt: at };
  return { ...moveTo(job, 'pausing', at, 'Pausing on request'), coordination };
}

/** The job in line again, to go on where it was; itself when it is not paused. @throws DownpourError conflict when it has ended. */
export function resumeJob(job: JobRecord, at: string): JobRecord {
  const { state, id } = job;
  if (isTerminal(state))
    throw new DownpourError(
      'conflict',
      `Job ${id} has ${state}: it cannot be resumed. A new job may go on from its checkpoints: POST /v1/jobs with resumeFrom`,
    );
  return state === 'paused' || state === 'pausing' ? moveTo(job, 'queued', at) : job;
}

/** Training time does not run while a job is paused: call when it trains again. `now` in milliseconds since 1970. */
export function endPause(job: JobRecord, now: number): JobRecord['coordination'] {
  const coordination = coordinationOf(job);
  const { pausedAt, pausedMs } = coordination;
  const lastedMs = pausedAt === null ? 0 : Math.max(0, now - Date.parse(pausedAt));
  return { ...coordination, pausedAt: null, pausedMs: pausedMs + lastedMs };
}
