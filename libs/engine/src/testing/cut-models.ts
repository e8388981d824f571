import type { DatasetSummary, ParameterLayout, Segment } from '@downpour/contracts';
import { partitionLayout } from '@downpour/contracts';
import { SegmentModel, type PreparedModel, type TrainingOptions } from '@downpour/models';
import { segmentsOf, variablePartitions, type Assignment } from '@downpour/models/topology';
import { PartitionRunner } from '../partition/partition-runner.ts';
import { sharedVector } from '../shared-vectors.ts';
import { rowsOf, type Batch, type HostEvaluation } from '../step/batch.ts';
import type { TensorFlow } from '../tensorflow/load.ts';

export interface CutStep {
  /** Of the whole model, in its layout. */
  gradient: Float32Array;
  loss: number;
  correct: number;
}

/** All partitions of a cut model in this thread, and what passes between them. */
export class CutModel {
  readonly segments: readonly Segment[];
  readonly runners: readonly PartitionRunner[];
  readonly #layout: ParameterLayout;
  readonly #variables: readonly number[];
  readonly #layouts: readonly ParameterLayout[];

  private constructor(
    segments: readonly Segment[],
    runners: readonly PartitionRunner[],
    layout: ParameterLayout,
    variables: readonly number[],
    layouts: readonly ParameterLayout[],
  ) {
    this.segments = segments;
    this.runners = runners;
    this.#layout = layout;
    this.#variables = variables;
    this.#layouts = layouts;
  }

  static async open(
    tensorflow: TensorFlow,
    { topology, layout, loss }: PreparedModel,
    dataset: DatasetSummary,
    assignment: Assignment,
    {
      compile = true,
      metrics = { metrics: [], topK: 5 },
      objective = {},
    }: TrainingOptions & { compile?: boolean } = {},
  ): Promise<CutModel> {
    const count = 1 + Math.max(...Object.values(assignment));
    const variables = variablePartitions(layout, assignment);
    const layouts = Array.from({ length: count }, (_, partition) => partitionLayout(layout, { variables }, partition));
    const opened = [];
    for (let partition = 0; partition < count; partition++) {
      const own = { topology, assignment, partition, layout: layouts[partition]!, dataset, loss, metrics, objective };
      opened.push(await SegmentModel.open(own));
    }
    const runners = opened.map((own, i) => new PartitionRunner(tensorflow, own, layouts[i]!, compile));
    return new CutModel(segmentsOf(topology, assignment), runners, layout, variables, layouts);
  }

  /** A batch in micro-batches of at most so many rows, all forward, then all backward. */
  step(parameters: Float32Array, batch: Batch, seed: number, rows = batch.count): CutStep {
    const own = this.#split(parameters);
    const gradients = this.#layouts.map(({ length }) => sharedVector(length));
    const parts: { batch: Batch; values: Map<string, Float32Array> }[] = [];
    let [loss, correct] = [0, 0];
    for (let begin = 0; begin < batch.count; begin += rows) {
      const part = partOf(batch, begin, Math.min(batch.count, begin + rows));
      const values = new Map<string, Float32Array>();
      for (const segment of this.segments) {
        const result = this.runners[segment.partition]!.forward(segment.index, parts.length, {
          parameters: own[segment.partition]!,
          batch: part,
          inputs: segment.inputs.map((name) => values.get(name)!),
          weight: part.count / batch.count,
          seed: seed + parts.length,
        });
        segment.outputs.forEach((name, i) => values.set(name, result.outputs[i]!));
        loss += result.loss;
        correct += result.correct;
      }
      parts.push({ batch: part, values });
    }
    parts.forEach(({ values }, microBatch) => {
      const pulls = new Map([...values].map(([name, { length }]) => [name, new Float32Array(length)]));
      for (const segment of [...this.segments].reverse()) {
        const inputs = this.runners[segment.partition]!.backward(
          segment.index,
          microBatch,
          own[segment.partition]!,
          segment.outputs.map((name) => pulls.get(name)!),
          gradients[segment.partition]!,
        );
        segment.inputs.forEach((name, i) => inputs[i]!.forEach((value, at) => (pulls.get(name)![at]! += value)));
      }
    });
    return { gradient: this.#join(gradients), loss, correct };
  }

  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    const own = this.#split(parameters);
    const values = new Map<string, Float32Array>();
    let evaluation: HostEvaluation | null = null;
    for (const segment of this.segments) {
      const result = this.runners[segment.partition]!.evaluate(segment.index, {
        parameters: own[segment.partition]!,
        batch,
        inputs: segment.inputs.map((name) => values.get(name)!),
        weight: 1,
        seed: 0,
      });
      segment.outputs.forEach((name, i) => values.set(name, result.outputs[i]!));
      evaluation ??= result.evaluation;
    }
    return evaluation!;
  }

  dispose(): void {
    for (const runner of this.runners) runner.dispose();
  }

  #split(parameters: Float32Array): Float32Array[] {
    const own = this.#layouts.map(({ length }) => sharedVector(length));
    this.#each((offset, length, partition, at) =>
      own[partition]!.set(parameters.subarray(offset, offset + length), at),
    );
    return own;
  }

  #join(own: readonly Float32Array[]): Float32Array {
    const whole = new Float32Array(this.#layout.length);
    this.#each((offset, length, partition, at) => whole.set(own[partition]!.subarray(at, at + length), offset));
    return whole;
  }

  #each(visit: (offset: number, length: number, partition: number, at: number) => void): void {
    const next = this.#layouts.map(() => 0);
    this.#layout.variables.forEach(({ offset, length }, i) => {
      const partition = this.#variables[i]!;
      visit(offset, length, partition, this.#layouts[partition]!.variables[next[partition]!++]!.offset);
    });
  }
}

function partOf({ count, features, labels }: Batch, begin: number, end: number): Batch {
  return {
    count: end - begin,
    features: rowsOf(features, count, begin, end),
    labels: rowsOf(labels, count, begin, end),
  };
}
