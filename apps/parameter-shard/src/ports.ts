import type { CheckpointManifest, JobEvent, JobPlan } from '@downpour/contracts';
import type { PushLog, SnapshotStore } from '@downpour/parameters';

/** The cluster as a parameter-shard process sees it: NATS behind it, fakes in tests. */
export interface ShardPorts {
  log(jobId: string, shard: number): PushLog;
  snapshots(jobId: string, shard: number): SnapshotStore;
  /** float32 of the whole job, as the worker that prepared it has written them, as their bytes come. @throws DownpourError not-found */
  initialParameters(jobId: string): Promise<AsyncIterable<Uint8Array>>;
  /** The job's plan as it is stored now; null when it is gone. */
  plan(jobId: string): Promise<JobPlan | null>;
  /** A checkpoint: what it says of itself, and the bytes of its file as they come. @throws DownpourError not-found */
  checkpoint(jobId: string, number: number): Promise<{ manifest: CheckpointManifest; file: AsyncIterable<Uint8Array> }>;
  /** An event that may get lost. */
  report(jobId: string, event: JobEvent): void;
  /** An event that must not: resolves when it is stored. */
  publish(jobId: string, event: JobEvent): Promise<void>;
}
