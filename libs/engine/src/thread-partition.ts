import type { Segment } from '@downpour/contracts';
import type {
  BackwardCall,
  EvaluationSums,
  Examples,
  PartitionCompute,
  SegmentCall,
  SegmentOutput,
} from '@downpour/training';
import { SharedExamples } from './shared-examples.ts';
import { sharedVector, SharedVectors } from './shared-vectors.ts';
import type { ReplicaPlan, ThreadCut } from './thread/messages.ts';
import type { ReplicaEvents } from './thread-replica.ts';
import { ViewSender } from './thread/shared-views.ts';
import type { TensorFlowThread } from './thread/tensorflow-thread.ts';

/**
 * One partition of a job's model in TensorFlow's thread. Outlives that thread, but what was kept between forward and backward does not: backward then fails,
 * and the step has to be done again.
 */
export class ThreadPartition implements PartitionCompute {
  /** Of the whole model. */
  readonly segments: readonly Segment[];
  readonly #thread: TensorFlowThread;
  readonly #id: number;
  readonly #plan: ReplicaPlan;
  readonly #cut: ThreadCut;
  readonly #events: ReplicaEvents;
  readonly #vectors: SharedVectors;
  readonly #gradients: SharedVectors;
  readonly #examples = new SharedExamples();
  /** By segment and micro-batch: ends the use of the examples that TensorFlow reads again in backward. */
  readonly #used = new Map<string, () => void>();
  #opened: { generation: number; done: Promise<unknown> } | null = null;
  #views = new ViewSender();
  #disposed = false;
  #toldFallback = false;

  constructor(
    thread: TensorFlowThread,
    id: number,
    plan: ReplicaPlan,
    cut: ThreadCut & { segments: readonly Segment[] },
    events: ReplicaEvents,
  ) {
    this.#thread = thread;
    this.#id = id;
    this.#plan = plan;
    this.#cut = { partition: cut.partition, assignment: cut.assignment };
    this.segments = cut.segments;
    this.#events = events;
    this.#vectors = new SharedVectors(plan.layout.length);
    this.#gradients = new SharedVectors(plan.layout.length);
  }

  /** @throws DownpourError invalid-model */
  async open(): Promise<void> {
    if (this.#disposed) throw new Error('This partition is disposed');
    const generation = this.#thread.ensure();
    if (this.#opened?.generation !== generation) {
      this.#release();
      const done = this.#thread.call('openPartition', { replica: this.#id, plan: this.#plan, cut: this.#cut });
      this.#opened = { generation, done };
      this.#views = new ViewSender();
      done.catch(() => {
        if (this.#opened?.done === done) this.#opened = null;
      });
    }
    await this.#opened.done;
  }

  async forward(call: SegmentCall): Promise<SegmentOutput & { computeMs: number }> {
    await this.open();
    const { segment, microBatch, begin, end, weight, seed, training } = call;
    const vector = this.#vectors.take(call.parameters);
    const key = `${segment} ${microBatch}`;
    if (training) this.#release(key);
    try {
      const answer = await this.#read(call.examples, training ? key : null, ({ count, features, labels }) =>
        this.#thread.call('forward', {
          replica: this.#id,
          segment,
          microBatch,
          parameters: this.#views.view(vector),
          rows: { count, features: this.#views.view(features), labels: this.#views.view(labels), begin, end },
          weight,
          seed,
          training,
          inputs: call.inputs.map(sendable),
        }),
      );
      if (answer.fellBack !== null) this.#fallBack(answer.fellBack);
      const { outputs, loss, correct, evaluation, computeMs } = answer;
      if (!evaluation) return { outputs, loss, correct, computeMs };
      const sums: EvaluationSums = {
        lossSum: evaluation.lossSum,
        correct: this.#plan.dataset.labelKind === 'class' ? evaluation.correct : null,
        metrics: [...evaluation.sums],
        examples: end - begin,
      };
      return { outputs, loss, correct: evaluation.correct, sums, computeMs };
    } finally {
      this.#vectors.giveBack(vector, call.parameters);
    }
  }

  async backward(call: BackwardCall): Promise<Float32Array[]> {
    await this.open();
    const { segment, microBatch, gradient } = call;
    const outputGradients = call.outputGradients.map(sendable);
    const vector = this.#vectors.take(call.parameters);
    const shared = gradient.buffer instanceof SharedArrayBuffer;
    const into = shared ? gradient : this.#gradients.take(new Float32Array(gradient.length));
    try {
      const { inputGradients } = await this.#thread.call(
        'backward',
        {
          replica: this.#id,
          segment,
          microBatch,
          parameters: this.#views.view(vector),
          outputGradients,
          gradient: this.#views.view(into),
        },
        outputGradients.map(({ buffer }) => buffer as ArrayBuffer),
      );
      if (!shared) into.forEach((value, i) => (gradient[i]! += value));
      return inputGradients;
    } finally {
      this.#release(`${segment} ${microBatch}`);
      this.#vectors.giveBack(vector, call.parameters);
      if (!shared) this.#gradients.giveBack(into, gradient);
    }
  }

  async forget(): Promise<void> {
    this.#release();
    if (this.#disposed || this.#opened?.generation !== this.#thread.generation) return;
    await this.#thread.call('forget', { replica: this.#id });
  }

  allocate(length: number): Float32Array {
    return sharedVector(length);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#release();
    if (this.#opened?.generation !== this.#thread.generation) return;
    // A thread that is gone has forgotten the model anyway.
    await this.#thread.call('close', { replica: this.#id }).catch(() => undefined);
  }

  /** With examples in shared memory, which is not used for others before `release` of this key: TensorFlow may read it again in backward. */
  #read<Result>(examples: Examples, key: string | null, body: (shared: Examples) => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      void this.#examples.use(examples, async (shared) => {
        const done = new Promise<void>((release) => {
          if (key === null) release();
          else this.#used.set(key, release);
        });
        await body(shared).then(resolve, (error: unknown) => {
          if (key !== null) this.#release(key);
          reject(error as Error);
        });
        await done;
      });
    });
  }

  #release(key?: string): void {
    for (const each of key === undefined ? [...this.#used.keys()] : [key]) {
      this.#used.get(each)?.();
      this.#used.delete(each);
    }
  }

  #fallBack(reason: string): void {
    if (this.#toldFallback) return;
    this.#toldFallback = true;
    this.#events.onFallback?.(reason);
  }
}

/** A message copies the whole memory that an array is a view of, and does not cross in shared memory: others would write to it meanwhile. */
function sendable(values: Float32Array): Float32Array {
  const { buffer, byteLength } = values;
  return buffer instanceof SharedArrayBuffer || buffer.byteLength > byteLength ? values.slice() : values;
}
