import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import { ChunkAhead } from './chunk-ahead.ts';
import { Evaluator } from './evaluator.ts';
import type { GroupSeat } from './group/group-seat.ts';
import type { SegmentTrace } from './group/segment-trace.ts';
import type { EvaluationQueuePort, WorkerVerbs } from './ports.ts';
import { isDeterministic, problemEvent } from './problems.ts';
import type { ServedJob } from './served-job.ts';
import { ServedJobs } from './served-jobs.ts';
import type { WorkerConfig } from './worker.config.ts';
import { WorkerLoop } from './worker-loop.ts';
import type { WorkerMetrics } from './worker.metrics.ts';

/** How long pushes under way may take to become durable when a worker leaves. */
const DURABLE_GRACE_MS = 2000;

export interface WorkerParts {
  instance: string;
  config: Pick<WorkerConfig, 'FETCH_AHEAD' | 'OUTSTANDING_PUSHES' | 'EVENT_INTERVAL_MS' | 'FINISH_GRACE_MS'>;
  verbs: WorkerVerbs;
  evaluations: EvaluationQueuePort;
  metrics: WorkerMetrics;
  trace?: SegmentTrace | undefined;
  log: Logger;
  /** @default 2000 */
  planWaitMs?: number;
}

/** A worker is given its verbs, hears of plans, and trains until told to leave. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #jobs: ServedJobs;
  readonly #loop: WorkerLoop;
  readonly #ahead: ChunkAhead;

  constructor(parts: WorkerParts) {
    const { instance, config, verbs, evaluations, metrics, trace, log } = parts;
    this.#parts = parts;
    this.#jobs = new ServedJobs(
      instance,
      verbs,
      {
        fetchAhead: config.FETCH_AHEAD,
        outstandingPushes: config.OUTSTANDING_PUSHES,
        eventIntervalMs: config.EVENT_INTERVAL_MS,
        observe: metrics.observe,
        observeSegment: (time) => {
          metrics.segment(time);
          trace?.add(time);
        },
      },
      () => this.#loop.wake(),
    );
    const ahead = new ChunkAhead(this.#jobs, verbs, (job, error) => this.#onQueueProblem(job, error));
    this.#ahead = ahead;
    const evaluator = new Evaluator(instance, this.#jobs, verbs, log, parts.planWaitMs);
    this.#loop = new WorkerLoop({ instance, ahead, evaluator, evaluations, verbs, metrics, log });
  }

  start(): void {
    this.#loop.start();
  }

  onPlan(plan: JobPlan): void {
    if (plan.phase !== 'paused' && !this.#jobs.get(plan.jobId))
      this.#parts.log.info({ job: plan.jobId }, 'Serving a job');
    this.#jobs.onPlan(plan);
  }

  /** Whether it works on anything of a job, or may yet take a chunk of it: its plan says so, as far as this worker has heard. */
  holds(jobId: string): boolean {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return false;
    return job.plan.phase === 'training' || job.busy || this.#ahead.held?.job === job;
  }

  /** Its place in a group of the job. @throws DownpourError unavailable where it has none, as far as it has heard */
  seat(jobId: string): GroupSeat {
    const seat = this.#jobs.get(jobId)?.seat;
    if (!seat) throw new DownpourError('unavailable', `This worker is in no group of job ${jobId}`);
    return seat;
  }

  onGone(jobId: string): void {
    this.#parts.log.info({ job: jobId }, 'Letting go of a job');
    this.#jobs.onGone(jobId);
  }

  /** Takes nothing new. */
  stopIntake(): void {
    this.#loop.stopIntake();
  }

  /** Finishes or gives back what is in hand; pushes that are not durable by then (NATS is away) are given up: their chunk comes again. */
  async finish(): Promise<void> {
    const { FINISH_GRACE_MS: graceMs } = this.#parts.config;
    const giveUp = () => this.#jobs.abort(new Error('This worker has no more time'));
    const timer = setTimeout(giveUp, graceMs + DURABLE_GRACE_MS);
    await this.#loop.finish(graceMs).finally(() => clearTimeout(timer));
  }

  /** Lets go of all jobs. */
  close(): Promise<void> {
    return this.#jobs.close();
  }

  /** A queue that cannot be asked is nobody's fault for long: it is asked again, and said if it goes on. */
  #onQueueProblem(job: ServedJob, error: unknown): void {
    const { log, verbs, instance } = this.#parts;
    log.warn({ err: error, job: job.jobId }, 'No chunk could be taken: trying again');
    job.failed();
    if (isDeterministic(error))
      void verbs.publish(job.jobId, problemEvent(instance, error, null)).catch(() => undefined);
  }
}
