import type { JobPlan } from '@downpour/contracts';
import type { KvPlanRepository } from './repositories.ts';

/** The plans of running jobs as this process knows them, and who wants to hear of changes. */
export class PlanWatcher {
  readonly #repository: KvPlanRepository;
  readonly #plans = new Map<string, JobPlan>();
  readonly #listeners = new Set<(jobId: string, plan: JobPlan | null) => void>();
  #stop: () => void = () => {};

  constructor(repository: KvPlanRepository) {
    this.#repository = repository;
  }

  /** Resolves when the plans there are now are known. */
  async start(): Promise<void> {
    this.#stop = await this.#repository.watch((jobId, plan) => {
      if (plan) this.#plans.set(jobId, plan);
      else this.#plans.delete(jobId);
      for (const listener of this.#listeners) listener(jobId, plan);
    });
  }

  stop(): void {
    this.#stop();
  }

  plan(jobId: string): JobPlan | null {
    return this.#plans.get(jobId) ?? null;
  }

  plans(): JobPlan[] {
    return [...this.#plans.values()];
  }

  /** Calls back at once for every plan known, then for each change; null: let go. Returns a function that ends it. */
  onPlan(listener: (jobId: string, plan: JobPlan | null) => void): () => void {
    for (const [jobId, plan] of this.#plans) listener(jobId, plan);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
