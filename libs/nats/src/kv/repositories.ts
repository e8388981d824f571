import {
  datasetRecordSchema,
  jobPlanSchema,
  jobRecordSchema,
  type DatasetRecord,
  type DatasetSummary,
  type JobPlan,
  type JobRecord,
} from '@downpour/contracts';
import type { DatasetLookup, JobRepository, PlanRepository, Revised } from '@downpour/jobs';
import type { KV } from '@nats-io/kv';
import { KvJson } from './kv-json.ts';

export class KvJobRepository implements JobRepository {
  readonly #records: KvJson<JobRecord>;
  constructor(kv: KV) {
    this.#records = new KvJson(kv, jobRecordSchema);
  }
  create(job: JobRecord): Promise<number> {
    return this.#records.create(job.id, job);
  }
  get(id: string): Promise<Revised<JobRecord> | null> {
    return this.#records.get(id);
  }
  list(): Promise<JobRecord[]> {
    return this.#records.list();
  }
  update(job: JobRecord, revision: number): Promise<number> {
    return this.#records.update(job.id, job, revision);
  }
  watch(onJob: (job: Revised<JobRecord>) => void): Promise<() => void> {
    return this.#records.watch((_, record) => record && onJob(record));
  }
}

export class KvPlanRepository implements PlanRepository {
  readonly #records: KvJson<JobPlan>;
  constructor(kv: KV) {
    this.#records = new KvJson(kv, jobPlanSchema);
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
  list(): Promise<string[]> {
    return this.#records.keys();
  }
  /** PlanReader of the data sharder. */
  async plan(jobId: string): Promise<JobPlan | null> {
    return (await this.get(jobId))?.value ?? null;
  }
  /** Current plans first, then every change; null: let go of that job. */
  watch(onPlan: (jobId: string, plan: JobPlan | null) => void): Promise<() => void> {
    return this.#records.watch((jobId, record) => onPlan(jobId, record?.value ?? null));
  }
}

export class KvDatasetRepository implements DatasetLookup {
  readonly #records: KvJson<DatasetRecord>;
  constructor(kv: KV) {
    this.#records = new KvJson(kv, datasetRecordSchema);
  }
  async record(datasetId: string): Promise<DatasetRecord | null> {
    return (await this.#records.get(datasetId))?.value ?? null;
  }
  async summary(datasetId: string): Promise<DatasetSummary | null> {
    return (await this.record(datasetId))?.summary ?? null;
  }
  list(): Promise<DatasetRecord[]> {
    return this.#records.list();
  }
  async put(record: DatasetRecord): Promise<void> {
    await this.#records.put(record.id, record);
  }
  remove(datasetId: string): Promise<void> {
    return this.#records.remove(datasetId);
  }
}
