import type { Examples, Replica, StepResult } from '@downpour/training';
import { sharedVector, SharedVectors } from './shared-vectors.ts';
import type { Batch } from './step/batch.ts';
import type { ReplicaPlan } from './thread/messages.ts';
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

/** A job's model in TensorFlow's thread. Outlives that thread: a new one is told of the model before its next step. */
export class ThreadReplica implements Replica {
  readonly #thread: TensorFlowThread;
  readonly #id: number;
  readonly #plan: ReplicaPlan;
  readonly #events: ReplicaEvents;
  readonly #vectors: SharedVectors;
  /** Filled by every step. */
  #gradient: Float32Array | null = null;
  #opened: { generation: number; done: Promise<unknown> } | null = null;
  #disposed = false;
  #toldFallback = false;

  constructor(thread: TensorFlowThread, id: number, plan: ReplicaPlan, events: ReplicaEvents) {
    this.#thread = thread;
    this.#id = id;
    this.#plan = plan;
    this.#events = events;
    this.#vectors = new SharedVectors(plan.layout.length);
  }

  /** @throws DownpourError invalid-model when the model does not fit its plan */
  async open(): Promise<void> {
    if (this.#disposed) throw new Error('This replica is disposed');
    const generation = this.#thread.ensure();
    if (this.#opened?.generation !== generation) {
      const done = this.#thread.call('open', { replica: this.#id, plan: this.#plan });
      this.#opened = { generation, done };
      done.catch(() => {
        if (this.#opened?.done === done) this.#opened = null;
      });
    }
    await this.#opened.done;
  }

  async step(
    parameters: Float32Array,
    examples: Examples,
    begin: number,
    end: number,
    seed: number,
  ): Promise<StepResult> {
    await this.open();
    const batch = rows(examples, begin, end);
    const vector = this.#vectors.take(parameters);
    try {
      const gradient = (this.#gradient ??= sharedVector(this.#plan.layout.length));
      const ask = { replica: this.#id, parameters: vector, batch, seed, gradient };
      const answer = await this.#thread.call('step', ask);
      if (answer.fellBack !== null) this.#fallBack(answer.fellBack);
      const { loss, correct } = answer;
      return { gradient, loss, accuracy: this.#classes ? correct / batch.count : null };
    } finally {
      this.#vectors.giveBack(vector, parameters);
    }
  }

  async evaluate(
    parameters: Float32Array,
    examples: Examples,
  ): Promise<{ lossSum: number; correct: number | null; examples: number }> {
    const sum = { lossSum: 0, correct: 0 };
    const vector = this.#vectors.take(parameters);
    try {
      for (let begin = 0; begin < examples.count; begin += EVALUATION_ROWS) {
        await this.open();
        const batch = rows(examples, begin, Math.min(examples.count, begin + EVALUATION_ROWS));
        const part = await this.#thread.call('evaluate', { replica: this.#id, parameters: vector, batch });
        sum.lossSum += part.lossSum;
        sum.correct += part.correct;
      }
    } finally {
      this.#vectors.giveBack(vector, parameters);
    }
    return { lossSum: sum.lossSum, correct: this.#classes ? sum.correct : null, examples: examples.count };
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#opened?.generation !== this.#thread.generation) return;
    // A thread that is gone has forgotten the model anyway.
    await this.#thread.call('close', { replica: this.#id }).catch(() => undefined);
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

/** Rows [begin, end) as a batch of their own: small, so they are copied. */
function rows({ count, features, labels }: Examples, begin: number, end: number): Batch {
  if (!(begin >= 0 && begin < end && end <= count))
    throw new RangeError(`Rows ${begin} to ${end} are not in ${count} examples`);
  const cut = <T extends Uint8Array | Float32Array | Int32Array>(values: T): T => {
    const width = values.length / count;
    return values.slice(begin * width, end * width) as T;
  };
  return { count: end - begin, features: cut(features), labels: cut(labels) };
}
