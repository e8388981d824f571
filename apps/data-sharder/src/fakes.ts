import type { ChunkTask, DatasetRecord, DatasetSpec, DatasetSummary, JobPlan } from '@downpour/contracts';
import { DownpourError, jobSpecSchema, objects } from '@downpour/contracts';
import type { BlobSource } from '@downpour/datasets';
import { createHash } from 'node:crypto';
import type { ChunkQueuePort, DatasetRecords, PlanReader } from './ports.ts';

/** A cluster in memory, for tests: objects, records, plans and queues. */
export class FakeCluster implements BlobSource, DatasetRecords, PlanReader, ChunkQueuePort {
  readonly objects = new Map<string, Uint8Array>();
  readonly records = new Map<string, DatasetRecord>();
  readonly plans = new Map<string, JobPlan>();
  /** By job and task, as the queue's message ids have it. */
  readonly queued = new Map<string, ChunkTask>();
  reads = 0;

  async read(name: string): Promise<Uint8Array> {
    this.reads++;
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new DownpourError('not-found', `no object ${name}`);
    return new Uint8Array(bytes);
  }
  async record(datasetId: string): Promise<DatasetRecord | null> {
    return this.records.get(datasetId) ?? null;
  }
  async plan(jobId: string): Promise<JobPlan | null> {
    return this.plans.get(jobId) ?? null;
  }
  async enqueue(jobId: string, tasks: readonly ChunkTask[]): Promise<void> {
    for (const task of tasks) this.queued.set(`${jobId} ${task.epoch} ${task.chunk}`, task);
  }

  /** Stores an upload as the gateway does. */
  upload(id: string, spec: DatasetSpec, contents: Record<string, Uint8Array>): DatasetRecord {
    const files = Object.entries(contents).map(([field, bytes]) => {
      const digest = createHash('sha256').update(bytes).digest('hex');
      this.objects.set(objects.datasetFile(digest), bytes);
      return { field, digest, bytes: bytes.byteLength };
    });
    const record: DatasetRecord = {
      id,
      name: spec.name,
      builtIn: false,
      spec,
      files,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      summary: SUMMARY,
      createdAt: '2026-11-01T00:00:00.000Z',
    };
    this.records.set(id, record);
    return record;
  }
}

const SUMMARY: DatasetSummary = {
  trainExamples: 1,
  testExamples: 0,
  featureShape: [1],
  featureType: 'float32',
  labelKind: 'number',
  classes: 0,
  labelWidth: 1,
};

/** A plan of which a sharder reads the chunks and the data set. */
export const planOf = (jobId: string, datasetId: string, chunks: Partial<JobPlan['chunks']> = {}): JobPlan => ({
  v: 1,
  jobId,
  spec: jobSpecSchema.parse({ model: { zoo: 'logistic' }, dataset: datasetId }),
  dataset: { id: datasetId, summary: SUMMARY },
  topology: {},
  layout: { length: 1, trainableLength: 1, variables: [] },
  chunks: { examples: 10, chunkSize: 3, batchSize: 2, nPush: 1, epochs: 2, seed: 5, ...chunks },
  shards: [],
  warmstartWorker: null,
  phase: 'training',
});

/** Rows a, label: a = row, label = row * 10. */
export const numbersCsv = (rows: number): Uint8Array =>
  Buffer.from(`a,label\n${Array.from({ length: rows }, (_, row) => `${row},${row * 10}`).join('\n')}\n`);

export const NUMBERS_SPEC: DatasetSpec = {
  name: 'numbers',
  format: 'csv',
  header: true,
  labelColumn: 'label',
  labelKind: 'number',
  normalisation: 'none',
  testShare: 0,
};
