import type { EvaluationSums, Examples, Replica, StepResult } from '@downpour/training';
import { SharedExamples } from './shared-examples.ts';
import { sharedVector, SharedVectors } from './shared-vectors.ts';
import { ShortSteps } from './short-steps.ts';
import { batchOf } from './step/batch.ts';
import type { ReplicaPlan, Rows, ThreadCalls } from './thread/messages.ts';
import { ViewSender } from './thread/shared-views.ts';
import type { TensorFlowThread } from './thread/tensorflow-thread.ts';

/**
 * Rows of one evaluation call: large enough to keep TensorFlow busy, small enough that another job's step waits for some tens of
 * milliseconds at most.
 */
const EVALUATION_ROWS = 250;

export interface ReplicaEvents {
  /** The model could not be compiled: its steps run op by op, two to four times slower. */
  onFallback?: (reason: string) => void;
}

/** A job's model in TensorFlow's thread; its steps where they are short (ShortSteps). Outlives that thread: a new one is told of the model before its next step. */
export class ThreadReplica implements Replica {
  readonly #thread: TensorFlowThread;
  readonly #id: number;
  readonly #plan: ReplicaPlan;
  readonly #events: ReplicaEvents;
  readonly #vectors: SharedVectors;
  readonly #examples = new SharedExamples();
  readonly #short: ShortSteps;
  /** Filled by every step. */
  #gradient: Float32Array | null = null;
  #opened: { generation: number; done: Promise<unknown> } | null = null;
  /** What the thread that has the model open knows of. */
  #views = new ViewSender();
  #disposed = false;
  #toldFallback = false;

  constructor(thread: TensorFlowThread, id: number, plan: ReplicaPlan, events: ReplicaEvents) {
    this.#thread = thread;
    this.#id = id;
    this.#plan = plan;
    this.#events = events;
    this.#vectors = new SharedVectors(plan.layout.length);
    this.#short = new ShortSteps(plan);
  }

  /** @throws DownpourError invalid-model when the model does not fit its plan */
  async open(): Promise<void> {
    if (this.#disposed) throw new Error('This replica is disposed');
    const generation = this.#thread.ensure();
    if (this.#opened?.generation !== generation) {
      const done = this.#thread.call('open', { replica: this.#id, plan: this.#plan });
      this.#opened = { generation, done };
      this.#views = new ViewSender();
      done.catch(() => {
        if (this.#opened?.done === done) this.#opened = null;
      });
    }
    await this.#opened.done;
  }

  /** `into`: where the gradient goes, if not into the replica's own memory. In shared memory it is written there and not copied. */
  async step(
    parameters: Float32Array,
    examples: Examples,
    begin: number,
    end: number,
    seed: number,
    into?: Float32Array,
  ): Promise<StepResult> {
    checkRows(examples, begin, end);
    await this.open();
    const vector = this.#vectors.take(parameters);
    try {
      const shared = into && into.buffer instanceof SharedArrayBuffer;
      const gradient = shared ? into : (this.#gradient ??= sharedVector(this.#plan.layout.length));
      const answer = await this.#examples.use(examples, async (shared) => {
        const batch = batchOf(shared, begin, end);
        const here = this.#short.has(batch, gradient) ? await this.#short.run(vector, batch, seed, gradient) : null;
        if (here !== null) return here;
        const rows = () => this.#rows(shared, begin, end);
        const step = await this.#thread.call('step', {
          replica: this.#id,
          parameters: this.#views.view(vector),
          rows: rows(),
          seed,
          gradient: this.#views.view(gradient),
        });
        this.#short.ran(batch, step.computeMs, () =>
          this.#thread.call('stepGraph', { replica: this.#id, rows: rows() }),
        );
        return step;
      });
      if (answer.fellBack !== null) this.#fallBack(answer.fellBack);
      if (into && !shared) into.set(gradient);
      const { loss, correct } = answer;
      return { gradient: into ?? gradient, loss, accuracy: this.#classes ? correct / (end - begin) : null };
    } finally {
      this.#vectors.giveBack(vector, parameters);
    }
  }

  allocate(length: number): Float32Array {
    return sharedVector(length);
  }

  async evaluate(parameters: Float32Array, examples: Examples): Promise<EvaluationSums> {
    const sum = { lossSum: 0, correct: 0, metrics: [] as number[] };
    await this.#inParts('evaluate', parameters, examples, (part) => {
      sum.lossSum += part.lossSum;
      sum.correct += part.correct;
      part.sums.forEach((value, i) => (sum.metrics[i] = (sum.metrics[i] ?? 0) + value));
    });
    return { ...sum, correct: this.#classes ? sum.correct : null, examples: examples.count };
  }

  /** float32 [examples.count, units]: what the model puts out, dropout off. Labels are not read. */
  async predict(parameters: Float32Array, examples: Examples): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    await this.#inParts('predict', parameters, examples, (part) => parts.push(part));
    const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#short.dispose();
    if (this.#opened?.generation !== this.#thread.generation) return;
    // A thread that is gone has forgotten the model anyway.
    await this.#thread.call('close', { replica: this.#id }).catch(() => undefined);
  }

  /** A few examples at a time, so that another job's step has its turn in between. */
  async #inParts<Name extends 'evaluate' | 'predict'>(
    name: Name,
    parameters: Float32Array,
    examples: Examples,
    take: (answer: ThreadCalls[Name]['answer']) => void,
  ): Promise<void> {
    const vector = this.#vectors.take(parameters);
    try {
      for (const part of partsOf(examples)) {
        await this.open();
        const answer = await this.#examples.use(part, (shared) =>
          this.#thread.call(name, {
            replica: this.#id,
            parameters: this.#views.view(vector),
            rows: this.#rows(shared, 0, part.count),
          }),
        );
        take(answer);
      }
    } finally {
      this.#vectors.giveBack(vector, parameters);
    }
  }

  #rows({ count, features, labels }: Examples, begin: number, end: number): Rows {
    return { count, features: this.#views.view(features), labels: this.#views.view(labels), begin, end };
  }

  #fallBack(reason: string): void {
    if (this.#toldFallback) return;
    this.#toldFallback = true;
    this.#events.onFallback?.(reason);
  }

  get #classes(): boolean {
    return this.#plan.dataset.labelKind === 'class';
  }
}

function checkRows({ count }: Examples, begin: number, end: number): void {
  if (!(begin >= 0 && begin < end && end <= count))
    throw new RangeError(`Rows ${begin} to ${end} are not in ${count} examples`);
}

/** Examples as runs of at most EVALUATION_ROWS: views, not copies. */
function* partsOf(examples: Examples): Generator<Examples> {
  for (let begin = 0; begin < examples.count; begin += EVALUATION_ROWS) {
    const end = Math.min(examples.count, begin + EVALUATION_ROWS);
    yield batchOf(examples, begin, end);
  }
}
