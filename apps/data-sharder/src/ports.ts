import type { BlobSource } from '@downpour/datasets';
import type { ChunkTask, DatasetRecord, JobPlan } from '@downpour/contracts';

/** The job's work queue. */
export interface ChunkQueuePort {
  /** Puts the tasks in, in order; resolves when all are stored. A task that is in already, by (job, epoch, chunk), is not put in again. */
  enqueue(jobId: string, tasks: readonly ChunkTask[]): Promise<void>;
}

export interface PlanReader {
  /** Null when the job does not run (any more). */
  plan(jobId: string): Promise<JobPlan | null>;
}

export interface DatasetRecords {
  record(datasetId: string): Promise<DatasetRecord | null>;
}

/** The cluster as a sharder sees it: NATS behind it, a fake in tests. */
export interface SharderPorts {
  blobs: BlobSource;
  queue: ChunkQueuePort;
  plans: PlanReader;
  records: DatasetRecords;
}
