import type { EvaluationSums, Examples, Replica, StepResult } from '../ports.ts';
import { stepSeed } from '../step-seed.ts';
import { Dataflow } from './dataflow.ts';
import { PipelinedStep } from './pipelined-step.ts';
import type { PipelinedInput } from './pipelined-step.ts';
import type { Exchange, PartitionCompute, SegmentTime } from './ports.ts';

export interface PartitionReplicaOptions {
  partition: number;
  compute: PartitionCompute;
  /** Length of the partition's own vector. */
  length: number;
  /** Parts of a batch that follow each other through the partitions. */
  microBatches: number;
  /** Rows that an evaluation sends through at once. @default 250 */
  evaluationRows?: number;
  /** Called with each forward and backward. */
  observe?: (time: SegmentTime) => void;
}

/**
 * One partition of a replica that is a group of workers (Dean et al. 2012, section 3): a replica like any other to its replica loop, with the vector of its own
 * variables. Its steps are the same as those of the other members, in the same order: each runs the loop over the same chunks, and they meet in the tensors that they
 * send each other.
 */
export class PartitionReplica implements Replica {
  readonly #options: PartitionReplicaOptions;
  readonly #dataflow: Dataflow;
  readonly #holdsLoss: boolean;
  #gradient: Float32Array | null = null;
  #exchange: Exchange | null = null;
  #step = 0;

  constructor(options: PartitionReplicaOptions) {
    this.#options = options;
    this.#dataflow = new Dataflow(options.compute.segments, options.partition);
    this.#holdsLoss = this.#dataflow.own.some(({ holdsLoss }) => holdsLoss);
  }

  /** Its steps say how the model does; those of the other members do not. */
  get holdsLoss(): boolean {
    return this.#holdsLoss;
  }

  /** The members begin a chunk, or an evaluation, together. */
  begin(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#step = 0;
  }

  /** `loss` and `accuracy` are this partition's part: 0 and null where it holds no output. */
  async step(
    parameters: Float32Array,
    examples: Examples,
    begin: number,
    end: number,
    seed: number,
    into?: Float32Array,
  ): Promise<StepResult> {
    const { compute, length, microBatches } = this.#options;
    const gradient = into ?? (this.#gradient ??= compute.allocate(length));
    gradient.fill(0);
    const parts = cut(begin, end, microBatches).map((part, m) => ({
      ...part,
      seed: m === 0 ? seed : stepSeed(seed, 0, 0, m),
    }));
    const { loss, correct } = await this.#run({ parameters, examples, parts, gradient });
    const accuracy = this.#holdsLoss && examples.labels instanceof Int32Array ? correct / (end - begin) : null;
    return { gradient, loss, accuracy };
  }

  /** Sums of an evaluation where this partition holds the model's output; of no examples elsewhere. */
  async evaluate(parameters: Float32Array, examples: Examples): Promise<EvaluationSums> {
    const { evaluationRows = 250 } = this.#options;
    const parts = cut(0, examples.count, Math.ceil(examples.count / evaluationRows)).map((part) => ({
      ...part,
      seed: 0,
    }));
    const { sums } = await this.#run({ parameters, examples, parts });
    return sums.reduce(added, { lossSum: 0, correct: null, metrics: [], examples: 0 });
  }

  allocate(length: number): Float32Array {
    return this.#options.compute.allocate(length);
  }

  dispose(): Promise<void> {
    return this.#options.compute.dispose();
  }

  async #run(input: PipelinedInput) {
    const { compute, observe } = this.#options;
    const exchange = this.#exchange;
    if (!exchange) throw new Error('A partition has no step of its own: its group begins a chunk first');
    const step = new PipelinedStep({ dataflow: this.#dataflow, compute, exchange, step: this.#step++, observe }, input);
    try {
      await step.run();
    } catch (error) {
      await compute.forget().catch(() => undefined);
      throw error;
    }
    return step.totals;
  }
}

/** Rows [begin, end) in so many parts of nearly equal size, or as many as there are rows. */
function cut(begin: number, end: number, parts: number): { begin: number; end: number }[] {
  const count = Math.min(parts, end - begin);
  const at = (i: number) => begin + Math.floor(((end - begin) * i) / count);
  return Array.from({ length: count }, (_, i) => ({ begin: at(i), end: at(i + 1) }));
}

function added(a: EvaluationSums, b: EvaluationSums): EvaluationSums {
  return {
    lossSum: a.lossSum + b.lossSum,
    correct: b.correct === null ? a.correct : (a.correct ?? 0) + b.correct,
    metrics: b.metrics.map((value, i) => value + (a.metrics[i] ?? 0)),
    examples: a.examples + b.examples,
  };
}
