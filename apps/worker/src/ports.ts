import type {
  ChunkTask,
  EvaluateTask,
  ExamplesRequest,
  JobEvent,
  JobPlan,
  PrepareReply,
  PrepareRequest,
} from '@downpour/contracts';
import type { Examples, ParameterClient, Replica } from '@downpour/training';
import type { GroupLinks } from './group/ports.ts';

/** A task of a JetStream work queue in this process's hands. The adapter tells the queue at an interval that it is still worked on. */
export interface HeldTask<Task> {
  task: Task;
  /** How often it was given out, this time included. */
  delivery: number;
  /** It was given out before, be it untried: something of it may have been done already. */
  again?: boolean;
  done(): Promise<void>;
  /** `untried`: does not count as a delivery. */
  giveBack(options?: { untried?: boolean }): Promise<void>;
}

export interface TaskQueue<Task> {
  /** The next task, or null when none came within `waitMs`; 0 asks without waiting. */
  next(waitMs: number): Promise<HeldTask<Task> | null>;
  close(): Promise<void>;
}

/** The worker's verbs: all it asks of NATS and TensorFlow. `nats-verbs.ts` and `engine` are behind them, fakes in tests. */
export interface WorkerVerbs extends GroupLinks {
  /** `plan` says whether they come from a queue or, of a sandblaster job, from its coordinator. */
  openChunks(jobId: string, plan: JobPlan): Promise<TaskQueue<ChunkTask>>;
  /** With a partition: of its own variables, as its view of the plan has them. */
  openParameters(plan: JobPlan, partition?: number): Promise<ParameterClient & { close(): Promise<void> }>;
  openReplica(plan: JobPlan): Promise<Replica>;
  /** Waits, with growing pauses, while no data sharder answers. Rejects with what a sharder says is wrong. */
  fetchExamples(
    plan: JobPlan,
    request: Omit<ExamplesRequest, 'type' | 'v' | 'datasetId'>,
    signal: AbortSignal,
  ): Promise<Examples>;
  /** An event that may get lost. */
  report(jobId: string, event: JobEvent): void;
  /** An event that must not: resolves when it is stored. */
  publish(jobId: string, event: JobEvent): Promise<void>;
  /** Content of model.json and weights.bin, as `tf.loadLayersModel` reads them. */
  exportModel(plan: JobPlan, vector: Float32Array): { modelJson: string; weights: Uint8Array };
  putObject(name: string, bytes: Uint8Array): Promise<void>;
  prepare(request: PrepareRequest): Promise<PrepareReply>;
}

export const WORKER_VERBS = Symbol('WORKER_VERBS');
export const EVALUATION_QUEUE = Symbol('EVALUATION_QUEUE');
export type EvaluationQueuePort = TaskQueue<EvaluateTask>;
