import type {
  ChunkTask,
  EvaluateTask,
  ExamplesRequest,
  JobEvent,
  JobPlan,
  KeyRange,
  PrepareReply,
  PrepareRequest,
} from '@downpour/contracts';
import type { Examples, ParameterClient, Replica } from '@downpour/training';
import type { GroupLinks } from './group/ports.ts';
import type { PlanView } from './viewed-plans.ts';

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
  /** Of the variables that a view of the plan has. @default all */
  openParameters(plan: JobPlan, view?: PlanView): Promise<ParameterClient & { close(): Promise<void> }>;
  openReplica(plan: JobPlan): Promise<Replica>;
  /** Waits, with growing pauses, while no data sharder answers. Rejects with what a sharder says is wrong. */
  fetchExamples(
    plan: JobPlan,
    request: Omit<ExamplesRequest, 'type' | 'v' | 'datasetId'>,
    signal: AbortSignal,
  ): Promise<Examples>;
  /** Nobody reads these examples any more: their memory is used for others. To leave it out costs garbage, no more. */
  giveBackExamples(examples: Examples): void;
  /** An event that may get lost. */
  report(jobId: string, event: JobEvent): void;
  /** An event that must not: resolves when it is stored. */
  publish(jobId: string, event: JobEvent): Promise<void>;
  /** Content of model.json, as `tf.loadLayersModel` reads it, and what of the vector is weights.bin. */
  exportModel(plan: JobPlan): { modelJson: string; weights: KeyRange[] };
  putObject(name: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  prepare(request: PrepareRequest): Promise<PrepareReply>;
}

export const WORKER_VERBS = Symbol('WORKER_VERBS');
export const EVALUATION_QUEUE = Symbol('EVALUATION_QUEUE');
export type EvaluationQueuePort = TaskQueue<EvaluateTask>;
