import type {
  CheckpointManifest,
  ChunkPlan,
  ComposeCheckpointRequest,
  DatasetSummary,
  EvaluateTask,
  JobEvent,
  JobPlan,
  JobRecord,
  Member,
  MissingChunks,
  PortionReply,
  PortionRequest,
  PrepareReply,
  PrepareRequest,
  PushLogSpec,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  ShardControl,
  ShardLedger,
  VectorOperationsReply,
  VectorOperationsRequest,
} from '@downpour/contracts';

/** A stored value with the revision that an update must name. */
export interface Revised<T> {
  value: T;
  revision: number;
}

/** Job records, with optimistic concurrency: `update` fails with `conflict` when the revision is not the newest. */
export interface JobRepository {
  create(job: JobRecord): Promise<number>;
  get(id: string): Promise<Revised<JobRecord> | null>;
  list(): Promise<JobRecord[]>;
  update(job: JobRecord, revision: number): Promise<number>;
  /** Calls back for every record there is and every change; returns a function that ends it. */
  watch(onJob: (job: Revised<JobRecord>) => void): Promise<() => void>;
}

/** Job plans: what processes follow. Same concurrency rule. */
export interface PlanRepository {
  get(jobId: string): Promise<Revised<JobPlan> | null>;
  put(plan: JobPlan, revision: number | null): Promise<number>;
  remove(jobId: string): Promise<void>;
  list(): Promise<string[]>;
}

/** What a shard says of itself. */
export interface ShardAccount {
  ledger: ShardLedger;
  complete: boolean;
  missing: MissingChunks;
}

/** What the coordinator asks of the cluster. */
export interface CoordinatorPort {
  members(): Member[];
  prepare(request: PrepareRequest): Promise<PrepareReply>;
  /**
   * Streams of a job: push log, chunk queue. Idempotent. Answers how many bytes the log may have; null without one,
   * or without a limit: a log that is to be kept grows with the job.
   * @throws DownpourError invalid-request when the cluster can never keep such a log; unavailable when it cannot now
   */
  createStreams(jobId: string, log: PushLogSpec & { keep?: boolean }): Promise<{ logBytes: number | null }>;
  /** `keepLog`: all but the push log. */
  removeStreams(jobId: string, keepLog: boolean): Promise<void>;
  /** Drops what is still queued (early stop, cancel). */
  purgeChunks(jobId: string): Promise<void>;
  enqueueEpoch(jobId: string, epoch: number, chunks: ChunkPlan): Promise<void>;
  /** Chunks not yet acknowledged. */
  pendingChunks(jobId: string): Promise<number>;
  enqueueEvaluation(task: EvaluateTask): Promise<void>;
  /** `missingBelow`: the answer names the chunks of the epochs below that lack pushes. */
  ledger(instance: string, jobId: string, shard: number, missingBelow?: number): Promise<ShardAccount>;
  /** Puts chunks into the queue that have been in it before. */
  giveOutAgain(jobId: string, missing: MissingChunks): Promise<void>;
  /** Writes a change of how a shard folds its pushes to its log. Written twice, it is followed once. */
  publishControl(jobId: string, shard: number, control: ShardControl): Promise<void>;
  /** Whether a worker has anything of the job in hand, or may yet take something. */
  holds(instance: string, jobId: string): Promise<boolean>;
  /** One round of a sandblaster shard, or a way back to an iteration. @throws DownpourError conflict: restore */
  operateVectors(instance: string, request: VectorOperationsRequest): Promise<VectorOperationsReply>;
  restoreVectors(instance: string, request: RestoreVectorsRequest): Promise<RestoreVectorsReply>;
  /** Answers workers that ask for portions of a job until the returned function is called. */
  servePortions(jobId: string, answer: (request: PortionRequest) => Promise<PortionReply>): () => void;
  /** Writes a checkpoint, replacing one of that number. May take minutes. */
  composeCheckpoint(request: ComposeCheckpointRequest): Promise<CheckpointManifest>;
  /** @throws DownpourError not-found */
  checkpointManifest(jobId: string, checkpoint: number): Promise<CheckpointManifest>;
  storeObject(name: string, bytes: Uint8Array): Promise<void>;
  publishEvent(jobId: string, event: JobEvent): Promise<void>;
  removeObjects(prefix: string): Promise<void>;
}

/** Reads the events of a job in order, what is stored already first. */
export interface EventSource {
  /** Calls back for every event after position `after` (0: from the first one kept) until the returned function is called. */
  follow(jobId: string, after: number, onEvent: (event: JobEvent, sequence: number) => void): Promise<() => void>;
}

/** What the coordinator must know of data sets. */
export interface DatasetLookup {
  /** Null when there is no such data set (any more). */
  summary(datasetId: string): Promise<DatasetSummary | null>;
}

/** Time, so that tests own it. Milliseconds since 1970. */
export interface Clock {
  now(): number;
}
