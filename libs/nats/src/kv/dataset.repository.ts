import { buckets, datasetRecordSchema } from '@downpour/contracts';
import type { DatasetRecord, DatasetSummary } from '@downpour/contracts';
import type { DatasetLookup } from '@downpour/jobs';
import type { NatsLink } from '../link/nats-link.ts';
import { RecordBucket } from './record-bucket.ts';

/** The registry of data sets, by id. */
export class KvDatasetRepository implements DatasetLookup {
  readonly #records: RecordBucket<DatasetRecord>;

  constructor(link: NatsLink) {
    this.#records = new RecordBucket(link, buckets.datasets, datasetRecordSchema);
  }

  async get(id: string): Promise<DatasetRecord | null> {
    return (await this.#records.get(id))?.value ?? null;
  }

  async list(): Promise<DatasetRecord[]> {
    return (await this.#records.list()).map(({ value }) => value);
  }

  /** Writes whatever was there before. */
  async put(dataset: DatasetRecord): Promise<void> {
    await this.#records.put(dataset.id, dataset);
  }

  async remove(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  async summary(datasetId: string): Promise<DatasetSummary | null> {
    return (await this.get(datasetId))?.summary ?? null;
  }
}
