import type { JobPlan } from '@downpour/contracts';
import { partitionView } from '@downpour/contracts';
import type { PlanWatcher } from '@downpour/nats';

type Plans = Pick<PlanWatcher, 'current' | 'next'>;

/** Plans as the member of a group sees them that holds one partition. */
export class PartitionPlans implements Plans {
  readonly #plans: Plans;
  readonly #partition: number;
  #last: { plan: JobPlan; view: JobPlan } | null = null;

  constructor(plans: Plans, partition: number) {
    this.#plans = plans;
    this.#partition = partition;
  }

  current(jobId: string): JobPlan | null {
    return this.#view(this.#plans.current(jobId));
  }

  async next(jobId: string, signal: AbortSignal): Promise<JobPlan | null> {
    return this.#view(await this.#plans.next(jobId, signal));
  }

  /** Asked for at every push, and changed seldom. */
  #view(plan: JobPlan | null): JobPlan | null {
    if (!plan) return null;
    if (this.#last?.plan !== plan) this.#last = { plan, view: partitionView(plan, this.#partition) };
    return this.#last.view;
  }
}
