import type { JobRecord, JobState } from '@downpour/contracts';
import { DownpourError, TERMINAL_STATES } from '@downpour/contracts';

/**
 * The states of a job, and who moves it:
 *
 * - `queued`     accepted and stored. The coordinator waits for a worker, a parameter shard and a data sharder to be alive, and for its turn.
 * - `preparing`  a worker builds the model; the layout is placed on shards; streams and the plan are made.
 * - `training`   the plan is out: sharders enqueue epochs, workers push, shards apply.
 * - `pausing`    a user asked for a pause: chunks in hand are finished, the shards catch up, a checkpoint is taken.
 * - `paused`     nobody holds anything of it: shards have stored their state and freed the memory. A resumed job gets in line again.
 * - `finishing`  every push is applied, or `stopAt` is reached: the last evaluation and the export of the model.
 * - `succeeded`  the model is stored and the ledger closed.
 * - `failed`     it cannot go on; `reason` says why.
 * - `cancelled`  a user said so.
 *
 * Pauses aside, a job only moves forward. The last three are terminal: nothing leaves them, and every job gets to one of them: each state
 * but `paused` ends by itself, waits for members of the cluster and says so, or runs into a time limit (coordinator-options.ts).
 */
export const TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ['preparing', 'training', 'pausing', 'failed', 'cancelled'],
  preparing: ['training', 'pausing', 'failed', 'cancelled'],
  training: ['finishing', 'pausing', 'failed', 'cancelled'],
  pausing: ['paused', 'queued', 'failed', 'cancelled'],
  paused: ['queued', 'failed', 'cancelled'],
  finishing: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

/** They take workers: two jobs among them that keep workers in step would wait for each other's. */
export const RUNNING_STATES: readonly JobState[] = ['preparing', 'training', 'pausing', 'finishing'];

export function isTerminal(state: JobState): boolean {
  return TERMINAL_STATES.includes(state);
}

export function canMove(from: JobState, to: JobState): boolean {
  return TRANSITIONS[from].includes(to);
}

/**
 * The job in its next state, with the times that go with it. `at` is ISO 8601.
 * @throws DownpourError `conflict` when the table above has no such transition.
 */
export function moveTo(job: JobRecord, to: JobState, at: string, reason: string | null = null): JobRecord {
  if (!canMove(job.state, to)) {
    throw new DownpourError('conflict', `Job ${job.id} is ${job.state}: it cannot become ${to}`);
  }
  return {
    ...job,
    state: to,
    reason,
    startedAt: to === 'training' ? (job.startedAt ?? at) : job.startedAt,
    finishedAt: isTerminal(to) ? at : job.finishedAt,
  };
}
