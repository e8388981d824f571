import { randomInt } from 'node:crypto';
import type { JobRecord, JobSpec, JobState } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { JobRepository } from '@downpour/jobs';
import { isTerminal, moveTo, newJob } from '@downpour/jobs';
import type { DatasetRegistry } from '../datasets/dataset-registry.ts';
import { fieldProblem } from '../problems/problem-error.ts';
import { checkJob } from './check-job.ts';

const ID_CHARACTERS = 10;
/** A cancel competes with the coordinator's writes, about one a second. */
const CANCEL_ATTEMPTS = 20;

/** Jobs as users see them: submitted, looked at, cancelled. What happens to them in between is the coordinator's. */
export class JobsService {
  readonly #jobs: JobRepository;
  readonly #datasets: DatasetRegistry;

  constructor(jobs: JobRepository, datasets: DatasetRegistry) {
    this.#jobs = jobs;
    this.#datasets = datasets;
  }

  /** One record, written whole or not at all. @throws ProblemError, DownpourError */
  async submit(spec: JobSpec): Promise<JobRecord> {
    const dataset = await this.#datasets.get(spec.dataset);
    if (dataset === null) {
      const message = `There is no data set ${spec.dataset}: upload it with POST /v1/datasets, or take one of GET /v1/datasets`;
      throw fieldProblem(422, 'dataset', message);
    }
    checkJob(spec, dataset.summary);
    const job = newJob(newJobId(), spec, new Date().toISOString());
    await this.#jobs.create(job);
    return job;
  }

  /** Newest first. */
  async list({ limit, states }: { limit: number; states: readonly JobState[] | undefined }): Promise<JobRecord[]> {
    const jobs = await this.#jobs.list();
    return jobs
      .filter(({ state }) => states === undefined || states.includes(state))
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0))
      .slice(0, limit);
  }

  /** @throws DownpourError not-found */
  async get(id: string): Promise<JobRecord> {
    const stored = isJobId(id) ? await this.#jobs.get(id) : null;
    if (stored === null) throw new DownpourError('not-found', `There is no job ${id}: GET /v1/jobs lists them`);
    return stored.value;
  }

  /** Cancelling what is cancelled changes nothing. @throws DownpourError not-found; conflict when it has ended otherwise */
  async cancel(id: string): Promise<JobRecord> {
    for (let attempt = 1; ; attempt++) {
      await this.get(id);
      const stored = await this.#jobs.get(id);
      if (stored === null || stored.value.state === 'cancelled') return this.get(id);
      const { state } = stored.value;
      if (isTerminal(state))
        throw new DownpourError('conflict', `Job ${id} has ${state} already: there is nothing to cancel`);
      const cancelled = moveTo(stored.value, 'cancelled', new Date().toISOString(), 'Cancelled on request');
      try {
        await this.#jobs.update(cancelled, stored.revision);
        return cancelled;
      } catch (error) {
        const raced = error instanceof DownpourError && error.code === 'conflict';
        if (!raced || attempt === CANCEL_ATTEMPTS) throw error;
      }
    }
  }
}

/** A single subject token, short enough to type. */
function newJobId(): string {
  return `job-${Array.from({ length: ID_CHARACTERS }, () => randomInt(36).toString(36)).join('')}`;
}

function isJobId(id: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(id);
}
