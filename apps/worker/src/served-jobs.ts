import { hostname } from 'node:os';
import type { JobPlan } from '@downpour/contracts';
import { servesJob } from '@downpour/contracts';
import { FairShare } from '@downpour/training';
import type { MemberOptions } from './group/ports.ts';
import type { WorkerVerbs } from './ports.ts';
import { ServedJob } from './served-job.ts';

/** The jobs whose plans exist, as far as this worker has heard. */
export class ServedJobs {
  readonly share = new FairShare();
  readonly #jobs = new Map<string, ServedJob>();
  readonly #closing = new Set<Promise<void>>();
  readonly #instance: string;
  readonly #verbs: WorkerVerbs;
  readonly #options: MemberOptions;
  readonly #onChange: () => void;

  constructor(instance: string, verbs: WorkerVerbs, options: MemberOptions, onChange: () => void) {
    this.#instance = instance;
    this.#verbs = verbs;
    this.#options = options;
    this.#onChange = onChange;
  }

  onPlan(plan: JobPlan): void {
    // Nobody holds anything of a paused job; once it goes on it is opened anew.
    if (plan.phase === 'paused' || !this.#serves(plan)) return this.onGone(plan.jobId);
    const job = this.#jobs.get(plan.jobId);
    if (job) job.follow(plan);
    else this.#jobs.set(plan.jobId, new ServedJob(plan, this.#instance, this.#verbs, this.#options));
    this.#onChange();
  }

  /** A job's cluster may name its workers. */
  #serves({ spec }: JobPlan): boolean {
    return servesJob(spec.cluster, 'worker', { instance: this.#instance, host: hostname() });
  }

  onGone(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (!job) return;
    this.#jobs.delete(jobId);
    this.share.forget(jobId);
    this.#close(job);
    this.#onChange();
  }

  get(jobId: string): ServedJob | undefined {
    return this.#jobs.get(jobId);
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Jobs that this worker may take a chunk of now, the one it has spent least time on first. */
  byDesert(): ServedJob[] {
    const takers = [...this.#jobs.values()].filter((job) => job.takesChunks).map((job) => job.jobId);
    return this.share.order(takers).map((jobId) => this.#jobs.get(jobId)!);
  }

  /** Ends all work under way, however long it still waits for somebody. */
  abort(reason: Error): void {
    for (const job of this.#jobs.values()) job.abort.abort(reason);
  }

  /** Lets go of everything: work under way is aborted. */
  async close(): Promise<void> {
    for (const job of this.#jobs.values()) this.#close(job);
    this.#jobs.clear();
    await Promise.all(this.#closing);
  }

  #close(job: ServedJob): void {
    const closing = job.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
