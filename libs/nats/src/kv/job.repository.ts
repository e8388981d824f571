import { buckets, jobRecordSchema } from '@downpour/contracts';
import type { JobRecord } from '@downpour/contracts';
import type { JobRepository, Revised } from '@downpour/jobs';
import type { NatsLink } from '../link/nats-link.ts';
import { RecordBucket } from './record-bucket.ts';

/** Job records, by id. */
export class KvJobRepository implements JobRepository {
  readonly #records: RecordBucket<JobRecord>;

  constructor(link: NatsLink) {
    this.#records = new RecordBucket(link, buckets.jobs, jobRecordSchema);
  }

  create(job: JobRecord): Promise<number> {
    return this.#records.create(job.id, job);
  }

  get(id: string): Promise<Revised<JobRecord> | null> {
    return this.#records.get(id);
  }

  async list(): Promise<JobRecord[]> {
    return (await this.#records.list()).map(({ value }) => value);
  }

  update(job: JobRecord, revision: number): Promise<number> {
    return this.#records.update(job.id, job, revision);
  }

  async watch(onJob: (job: Revised<JobRecord>) => void): Promise<() => void> {
    const stop = await this.#records.watch({ onRecord: (_key, record) => onJob(record) });
    return () => void stop();
  }
}
