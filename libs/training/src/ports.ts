import type { ChunkTask, JobEvent, JobPlan } from '@downpour/contracts';

/** Examples of one chunk as they come from a data sharder. */
export interface Examples {
  count: number;
  /** uint8 or float32, [count, ...featureShape]. */
  features: Uint8Array | Float32Array;
  /** int32 [count] for classes; float32 [count, labelWidth] for numbers. */
  labels: Int32Array | Float32Array;
}

/** A chunk taken from the job's work queue. Its holder tells the queue at an interval that it is still worked on. */
export interface TakenChunk {
  task: ChunkTask;
  /** How often it was given out, this time included. */
  delivery: number;
  /** It was given out before, be it untried: some of its pushes may be settled already. */
  again?: boolean;
  examples: Promise<Examples>;
  /** Every push of it is durable: never give it out again. Resolves once the queue has confirmed. */
  done(): Promise<void>;
  /** Give it to somebody else at once. `untried`: it is not to blame, so this does not count as a delivery. */
  giveBack(options?: { untried?: boolean }): Promise<void>;
}

/** What a replica knows of the parameters: the flat vector and each shard's version of it. */
export interface PulledParameters {
  /** float32 [layout.length], pooled: the caller gives it back or hands it on. */
  vector: Float32Array;
  /** By shard. */
  versions: number[];
}

export interface PullOptions {
  /** As the shards hold them, whatever encoding the job has chosen for training. @default false */
  exact?: boolean;
  /** By shard: answered once the push at that place of its log has been taken in. */
  after?: readonly number[];
  /** ... and no push of this replica waits for its step (see Pace). */
  stepped?: true;
  /** Answered once the worker is not too far ahead of the slowest. */
  clock?: { pushes: number; epoch: number; chunk: number };
  /** Which of this chunk's pushes are settled is put into `settled`, by shard. */
  chunk?: { epoch: number; chunk: number };
  settled?: number[][];
}

export interface PushRequest {
  /** float32 [layout.length]: trainable part a gradient, state part a delta. */
  gradient: Float32Array;
  epoch: number;
  chunk: number;
  push: number;
  versions: number[];
  examples: number;
  /** Where the parameters go that come with the answer, this gradient in them; only for a client that `pushPulls`. */
  pull?: PulledParameters;
  /** sandblaster only: sum of the loss over the examples. */
  loss?: number;
  /** The gradient is not finite: it is not sent, but every shard is told, so that all drop this push alike. */
  bad?: true;
}

export interface ParameterClient {
  /** Whether a push may ask for the parameters in the same round: where there is no log between pusher and shard. */
  readonly pushPulls?: boolean;
  /** Waits while a shard has no owner. `into` is filled and returned; unchanged shards cost only their version. */
  pull(into: PulledParameters, signal: AbortSignal, options?: PullOptions): Promise<PulledParameters>;
  /** A vector of the job's length in memory that pull, push and steps work on without a copy; null when there is none left. */
  allocate?(): Float32Array | null;
  /** Whether no value is NaN or infinite, faster than a loop; undefined for other vectors than those of `allocate`. */
  finite?(vector: Float32Array): boolean | undefined;
  /** y += factor * x, faster than a loop; false for other vectors than those of `allocate`. */
  addScaled?(factor: number, x: Float32Array, y: Float32Array): boolean;
  /** Sum of squares in float64, faster than a loop; undefined for other vectors than those of `allocate`. */
  sumOfSquares?(x: Float32Array): number | undefined;
  /** x *= factor, faster than a loop; false for other vectors than those of `allocate`. */
  scale?(factor: number, x: Float32Array): boolean;
  /** Brings every value within [-limit, limit] (NaN stays), faster than a loop; false for other vectors than those of `allocate`. */
  clamp?(limit: number, x: Float32Array): boolean;
  /**
   * Publishes one message per shard and resolves when *all* are durable in the log (applied, where the job has none). Retries until then (same epoch, chunk,
   * push: the ledger drops doubles).
   * The gradient's buffer may be reused once it resolves. At most `window` pushes are outstanding; further calls wait. Resolves with its place in the log of each shard (0:
   * there is none).
   */
  push(request: PushRequest, signal: AbortSignal): Promise<number[]>;
}

/** One step's result. */
export interface StepResult {
  /** float32 [layout.length]: mean gradient of the batch, then deltas of the state. The replica's own: valid until its next step; whoever has it may change it. */
  gradient: Float32Array;
  /** Mean over the batch. */
  loss: number;
  /** Share of right answers; null for regression. */
  accuracy: number | null;
}

/** Of an evaluation, over so many examples; those of several runs add up. */
export interface EvaluationSums {
  lossSum: number;
  /** null for regression. */
  correct: number | null;
  /** Of the job's other metrics: counts and summed errors, in an order of their own (libs/models, metric-sums.ts). */
  metrics: number[];
  examples: number;
}

/** A compiled model of one job (libs/engine behind this). Batches are runs of rows of `examples`. */
export interface Replica {
  /**
   * `seed` fixes dropout of this step. `parameters` and `examples` are only read, and are whole again when the promise settles; the values of
   * examples must not change as long as steps name the same arrays. `into`: where the gradient is wanted; whoever cannot put it there ignores it, so
   * read the result's.
   */
  step(
    parameters: Float32Array,
    examples: Examples,
    begin: number,
    end: number,
    seed: number,
    into?: Float32Array,
  ): Promise<StepResult>;
  /**
   * A vector in memory that steps read and write without a copy; any other works as well, at a copy for each step. Absent where all memory is the
   * same.
   */
  allocate?(length: number): Float32Array;
  /** Sums over the rows, so that parts add up. */
  evaluate(parameters: Float32Array, examples: Examples): Promise<EvaluationSums>;
  dispose(): Promise<void>;
}

export type Report = (event: JobEvent) => void;

/** Everything a replica loop is given. */
export interface ReplicaContext {
  plan: JobPlan;
  /** What reduceOnPlateau has made of the learning rate, at present. @default 1 */
  rateFactor?: () => number;
  instance: string;
  parameters: ParameterClient;
  replica: Replica;
  report: Report;
  signal: AbortSignal;
}
