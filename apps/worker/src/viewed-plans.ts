import type { JobPlan } from '@downpour/contracts';
import type { PlanWatcher } from '@downpour/nats';

type Plans = Pick<PlanWatcher, 'current' | 'next'>;

/** The plan as somebody sees it who holds a part of the model: `partitionView`, `shardView`. */
export type PlanView = (plan: JobPlan) => JobPlan;

/** Plans as they are seen so. */
export class ViewedPlans implements Plans {
  readonly #plans: Plans;
  readonly #view: PlanView;
  #last: { plan: JobPlan; seen: JobPlan } | null = null;

  constructor(plans: Plans, view: PlanView) {
    this.#plans = plans;
    this.#view = view;
  }

  current(jobId: string): JobPlan | null {
    return this.#seen(this.#plans.current(jobId));
  }

  async next(jobId: string, signal: AbortSignal): Promise<JobPlan | null> {
    return this.#seen(await this.#plans.next(jobId, signal));
  }

  /** Asked for at every push, and changed seldom. */
  #seen(plan: JobPlan | null): JobPlan | null {
    if (!plan) return null;
    if (this.#last?.plan !== plan) this.#last = { plan, seen: this.#view(plan) };
    return this.#last.seen;
  }
}
