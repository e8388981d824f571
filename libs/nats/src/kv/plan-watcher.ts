import { buckets, jobPlanSchema } from '@downpour/contracts';
import type { JobPlan } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import type { NatsLink } from '../link/nats-link.ts';
import { RecordBucket } from './record-bucket.ts';

export interface PlanListener {
  /** A plan is there, or has changed. */
  onPlan?(plan: JobPlan): void;
  /** Its record was deleted: let go of the job. */
  onRemoved?(jobId: string): void;
}

/** The plans of all running jobs as this process knows them: processes make what they do follow them. */
export class PlanWatcher {
  readonly #plans = new Map<string, JobPlan>();
  readonly #listeners = new Set<PlanListener>();
  #stop: (() => Promise<void>) | undefined;

  /** Resolves once every plan there is has been read. */
  static async start(link: NatsLink, log?: Logger): Promise<PlanWatcher> {
    const watcher = new PlanWatcher();
    const records = new RecordBucket(link, buckets.plans, jobPlanSchema);
    await new Promise<void>((resolve, reject) => {
      records
        .watch({
          onRecord: (jobId, { value }) => {
            watcher.#plans.set(jobId, value);
            for (const listener of [...watcher.#listeners]) listener.onPlan?.(value);
          },
          onRemoved: (jobId) => {
            watcher.#plans.delete(jobId);
            for (const listener of [...watcher.#listeners]) listener.onRemoved?.(jobId);
          },
          onBad: (jobId, error) => log?.error({ err: error, jobId }, `The plan of job ${jobId} cannot be read`),
          onReady: resolve,
        })
        .then((stop) => (watcher.#stop = stop), reject);
    });
    return watcher;
  }

  current(jobId: string): JobPlan | null {
    return this.#plans.get(jobId) ?? null;
  }

  plans(): JobPlan[] {
    return [...this.#plans.values()];
  }

  /** Tells every plan there is at once, then each change. Returns a function that ends it. */
  watch(listener: PlanListener): () => void {
    this.#listeners.add(listener);
    for (const plan of this.#plans.values()) listener.onPlan?.(plan);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves at the next change of a job's plan or at its removal, with the plan as it is then. @throws the signal's reason */
  next(jobId: string, signal: AbortSignal): Promise<JobPlan | null> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = (plan: JobPlan | null): void => {
        end();
        resolve(plan);
      };
      const onAbort = (): void => {
        end();
        reject(signal.reason as Error);
      };
      const listener: PlanListener = {
        onPlan: (plan) => plan.jobId === jobId && settle(plan),
        onRemoved: (removed) => removed === jobId && settle(null),
      };
      const end = (): void => {
        this.#listeners.delete(listener);
        signal.removeEventListener('abort', onAbort);
      };
      this.#listeners.add(listener);
      signal.addEventListener('abort', onAbort);
    });
  }

  async stop(): Promise<void> {
    this.#listeners.clear();
    await this.#stop?.();
  }
}
