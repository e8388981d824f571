import type { ChunkTask, JobEvent, JobPlan, JobSpecInput, StrategyOf, StrategySpec } from '@downpour/contracts';
import { chunkBounds, jobPlanSchema, jobSpecSchema, stepWindow } from '@downpour/contracts';
import type {
  Examples,
  ParameterClient,
  PulledParameters,
  PushRequest,
  Replica,
  ReplicaContext,
  StepResult,
  TakenChunk,
} from './ports.ts';

export { FakePartition } from './partition/fakes.ts';

/** A push as a fake parameter server saw it: values copied, for the caller reuses its buffer. */
export type RecordedPush = Omit<PushRequest, 'gradient' | 'pull'> & { gradient: number[] };

export interface FakeParametersOptions {
  initial: number[];
  learningRate: number;
  trainableLength?: number;
  /** Latency of a pull or push; 0 settles within the turn. */
  latencyMs?: number;
  /** Answers pushes with the parameters, as shards of a job without a log do. */
  pushPulls?: boolean;
}

/** One parameter shard in memory: SGD, and a ledger of (epoch, chunk, push) like the real one's. */
export class FakeParameters implements ParameterClient {
  readonly vector: Float32Array;
  readonly pushes: RecordedPush[] = [];
  readonly applied = new Set<string>();
  duplicatesDropped = 0;
  badDropped = 0;
  version = 0;
  pulls = 0;
  outstanding = 0;
  mostOutstanding = 0;
  /** Set to hold pushes until the promise resolves. */
  gate: Promise<void> | null = null;
  readonly #options: FakeParametersOptions;

  readonly pushPulls: boolean;

  constructor(options: FakeParametersOptions) {
    this.#options = options;
    this.pushPulls = options.pushPulls ?? false;
    this.vector = Float32Array.from(options.initial);
  }

  async pull(into: PulledParameters, signal: AbortSignal): Promise<PulledParameters> {
    await this.#latency();
    signal.throwIfAborted();
    this.pulls += 1;
    this.#give(into);
    return into;
  }

  async push(request: PushRequest, signal: AbortSignal): Promise<number[]> {
    this.outstanding += 1;
    this.mostOutstanding = Math.max(this.mostOutstanding, this.outstanding);
    try {
      await this.#latency();
      if (this.gate) await Promise.race([this.gate, aborted(signal)]);
      signal.throwIfAborted();
      this.#apply(request);
      if (request.pull) this.#give(request.pull);
      return [];
    } finally {
      this.outstanding -= 1;
    }
  }

  #give(into: PulledParameters): void {
    if (into.versions[0] !== this.version) into.vector.set(this.vector);
    into.versions[0] = this.version;
  }

  #apply(request: PushRequest): void {
    const { pull: _, ...pushed } = request;
    this.pushes.push({ ...pushed, versions: [...request.versions], gradient: [...request.gradient] });
    const key = `${request.epoch}/${request.chunk}/${request.push}`;
    if (this.applied.has(key)) {
      this.duplicatesDropped += 1;
      return;
    }
    this.applied.add(key);
    const trainable = this.#options.trainableLength ?? this.vector.length;
    if (request.bad) {
      this.badDropped += 1;
      return;
    }
    request.gradient.forEach((value, i) => {
      this.vector[i]! += i < trainable ? -this.#options.learningRate * value : value;
    });
    this.version += 1;
  }

  async #latency(): Promise<void> {
    if (this.#options.latencyMs) await new Promise((resolve) => setTimeout(resolve, this.#options.latencyMs));
  }
}

/**
 * Least squares of one weight: features x, targets y, loss mean (wx - y)^2 / 2, gradient mean x(wx - y). A second value, if the vector
 * has one, is state: its delta is the number of rows of the batch.
 */
export class LinearReplica implements Replica {
  readonly steps: { parameters: number[]; begin: number; end: number; seed: number }[] = [];
  /** Called before each step; what it throws the step throws. */
  before: (step: number) => void | Promise<void> = () => undefined;
  readonly #gradient: Float32Array;

  constructor(length = 1) {
    this.#gradient = new Float32Array(length);
  }

  async step(
    parameters: Float32Array,
    examples: Examples,
    begin: number,
    end: number,
    seed: number,
  ): Promise<StepResult> {
    await this.before(this.steps.length);
    this.steps.push({ parameters: [...parameters], begin, end, seed });
    const weight = parameters[0]!;
    let gradient = 0;
    let loss = 0;
    for (let row = begin; row < end; row++) {
      const error = weight * examples.features[row]! - examples.labels[row]!;
      gradient += (examples.features[row]! * error) / (end - begin);
      loss += error ** 2 / 2 / (end - begin);
    }
    this.#gradient[0] = gradient;
    if (this.#gradient.length > 1) this.#gradient[1] = end - begin;
    return { gradient: this.#gradient, loss, accuracy: null };
  }

  async evaluate(parameters: Float32Array, examples: Examples) {
    const { loss } = await this.step(parameters, examples, 0, examples.count, 0);
    return { lossSum: loss * examples.count, correct: null, metrics: [], examples: examples.count };
  }

  async dispose(): Promise<void> {}
}

/** A chunk with x = its position in the epoch + 1 and y = 3x, and a record of what became of it. */
export class FakeChunk implements TakenChunk {
  readonly examples: Promise<Examples>;
  readonly task: ChunkTask;
  state: 'held' | 'done' | 'given-back' = 'held';
  readonly delivery: number;

  constructor(plan: JobPlan, epoch: number, chunk: number, delivery = 1, examples?: Promise<Examples>) {
    this.task = { type: 'chunk', v: 1, jobId: plan.jobId, epoch, chunk };
    this.delivery = delivery;
    const { begin, end } = chunkBounds(plan.chunks, chunk);
    const features = Float32Array.from({ length: end - begin }, (_, i) => (begin + i + 1) / plan.chunks.examples);
    this.examples = examples ?? Promise.resolve({ count: end - begin, features, labels: features.map((x) => 3 * x) });
  }

  async done(): Promise<void> {
    this.state = 'done';
  }

  async giveBack(): Promise<void> {
    this.state = 'given-back';
  }
}

export interface FakePlanOptions {
  examples?: number;
  chunkSize?: number;
  batchSize?: number;
  strategy?: Partial<StrategyOf<'async'>> | StrategySpec;
  learningRate?: number;
  /** Values of state behind the one weight. */
  stateLength?: number;
  jobId?: string;
  onBadGradient?: 'fail' | 'skip';
  /** Anything else of the job's spec. */
  spec?: Partial<JobSpecInput>;
}

/** A plan of one shard and one weight. */
export function fakePlan(options: FakePlanOptions = {}): JobPlan {
  const { examples = 40, chunkSize = 20, batchSize = 5, stateLength = 0 } = options;
  const spec = jobSpecSchema.parse({
    model: { zoo: 'logistic' },
    dataset: 'fake',
    batchSize,
    chunkSize,
    epochs: 1,
    seed: 7,
    strategy: { kind: 'async', ...options.strategy },
    updateRule: { kind: 'sgd', learningRate: options.learningRate ?? 0.5 },
    onBadGradient: options.onBadGradient ?? 'fail',
    ...options.spec,
  });
  const length = 1 + stateLength;
  const variables = [{ name: 'w', shape: [1], offset: 0, length: 1, trainable: true }];
  if (stateLength > 0)
    variables.push({ name: 's', shape: [stateLength], offset: 1, length: stateLength, trainable: false });
  return jobPlanSchema.parse({
    v: 1,
    jobId: options.jobId ?? 'job-1',
    spec,
    dataset: {
      id: 'fake',
      summary: {
        trainExamples: examples,
        testExamples: 0,
        featureShape: [1],
        featureType: 'float32',
        labelKind: 'number',
        classes: 0,
        labelWidth: 1,
      },
    },
    topology: {},
    layout: { length, trainableLength: 1, variables },
    chunks: { examples, chunkSize, batchSize, nPush: stepWindow(spec).nPush, epochs: 1, seed: 7 },
    shards: [{ shard: 0, ranges: [{ begin: 0, end: length }], instance: 'shard-1', ownership: 1 }],
    warmstartWorker: null,
    phase: 'training',
  });
}

/** A replica's context over the fakes, and the events it reports. */
export function fakeContext(plan: JobPlan, parameters: ParameterClient, replica: Replica, signal: AbortSignal) {
  const events: JobEvent[] = [];
  const context: ReplicaContext = {
    plan,
    instance: 'worker-1',
    parameters,
    replica,
    report: (event) => events.push(event),
    signal,
  };
  return { context, events };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
