import { buckets, jobPlanSchema } from '@downpour/contracts';
import type { JobPlan } from '@downpour/contracts';
import type { PlanRepository, Revised } from '@downpour/jobs';
import type { NatsLink } from '../link/nats-link.ts';
import { RecordBucket } from './record-bucket.ts';

/** Job plans, by job id. */
export class KvPlanRepository implements PlanRepository {
  readonly #records: RecordBucket<JobPlan>;

  constructor(link: NatsLink) {
    this.#records = new RecordBucket(link, buckets.plans, jobPlanSchema);
  }

  get(jobId: string): Promise<Revised<JobPlan> | null> {
    return this.#records.get(jobId);
  }

  put(plan: JobPlan, revision: number | null): Promise<number> {
    return revision === null
      ? this.#records.create(plan.jobId, plan)
      : this.#records.update(plan.jobId, plan, revision);
  }

  remove(jobId: string): Promise<void> {
    return this.#records.remove(jobId);
  }

  async list(): Promise<string[]> {
    return (await this.#records.list()).map(({ key }) => key);
  }
}
