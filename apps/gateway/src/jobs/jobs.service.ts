import { randomInt } from 'node:crypto';
import type { Cluster, JobRecord, JobSpec, JobState, StrategySpec } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { JobRepository } from '@downpour/jobs';
import { isTerminal, moveTo, newJob, pauseJob, resumeJob, switchStrategy } from '@downpour/jobs';
import type { CheckpointsService } from '../checkpoints/checkpoints.service.ts';
import type { DatasetRegistry } from '../datasets/dataset-registry.ts';
import { fieldProblem } from '../problems/problem-error.ts';
import { checkJob } from './check-job.ts';
import { changeJob, findJob } from './stored-jobs.ts';

const ID_CHARACTERS = 10;

/** Jobs as users see them: submitted, looked at, paused, cancelled. What happens to them in between is the coordinator's. */
export class JobsService {
  readonly #jobs: JobRepository;
  readonly #datasets: DatasetRegistry;
  readonly #checkpoints: CheckpointsService;
  readonly #nats: () => Cluster['nats'];

  /** `nats`: what the gateway is connected to. */
  constructor(
    jobs: JobRepository,
    datasets: DatasetRegistry,
    checkpoints: CheckpointsService,
    nats: () => Cluster['nats'],
  ) {
    this.#nats = nats;
    this.#jobs = jobs;
    this.#datasets = datasets;
    this.#checkpoints = checkpoints;
  }

  /** One record, written whole or not at all. @throws ProblemError, DownpourError */
  async submit(spec: JobSpec): Promise<JobRecord> {
    const dataset = await this.#datasets.get(spec.dataset);
    if (dataset === null) {
      const message = `There is no data set ${spec.dataset}: upload it with POST /v1/datasets, or take one of GET /v1/datasets`;
      throw fieldProblem(422, 'dataset', message);
    }
    checkJob(spec, dataset.summary, this.#nats());
    const resolved = await this.#checkpoints.resolve(spec, dataset.summary);
    const job = newJob(newJobId(), resolved, new Date().toISOString());
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
  get(id: string): Promise<JobRecord> {
    return findJob(this.#jobs, id);
  }

  /** Cancelling what is cancelled changes nothing. @throws DownpourError not-found; conflict when it has ended otherwise */
  cancel(id: string): Promise<JobRecord> {
    return changeJob(this.#jobs, id, (job) => {
      if (job.state === 'cancelled') return job;
      if (isTerminal(job.state))
        throw new DownpourError('conflict', `Job ${id} has ${job.state} already: there is nothing to cancel`);
      return moveTo(job, 'cancelled', new Date().toISOString(), 'Cancelled on request');
    });
  }

  /** On its way to `paused` when this resolves. @throws DownpourError not-found; conflict when it has ended, or is about to */
  pause(id: string): Promise<JobRecord> {
    return changeJob(this.#jobs, id, (job) => pauseJob(job, new Date().toISOString()));
  }

  /** In line again when this resolves. @throws DownpourError not-found; conflict when it has ended */
  resume(id: string): Promise<JobRecord> {
    return changeJob(this.#jobs, id, (job) => resumeJob(job, new Date().toISOString()));
  }

  /** Workers follow it from their next chunk on. @throws DownpourError not-found; conflict, invalid-request: as `switchStrategy` */
  async switchStrategy(id: string, strategy: StrategySpec): Promise<JobRecord> {
    const others = await this.#jobs.list();
    return changeJob(this.#jobs, id, (job) => switchStrategy(job, strategy, others));
  }
}

/** A single subject token, short enough to type. */
function newJobId(): string {
  return `job-${Array.from({ length: ID_CHARACTERS }, () => randomInt(36).toString(36)).join('')}`;
}
