import type { ParameterLayout } from '@downpour/contracts';
import type { SegmentModel, SegmentTraining } from '@downpour/models';
import type { Scalar, Tensor } from '@tensorflow/tfjs';
import { GraphCache } from '../graph/graph-cache.ts';
import { CompiledGraph } from '../graph/compiled-graph.ts';
import { NotCompilable } from '../graph/recording.ts';
import { record } from '../graph/record.ts';
import { sharedVector } from '../shared-vectors.ts';
import { evaluationOf, type Batch, type HostEvaluation } from '../step/batch.ts';
import { castFeatures, uniformFrom, type HostTensor } from '../step/step-inputs.ts';
import { addInto, usedInPlace } from '../tensorflow/in-place.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import { dropKept, SegmentGraphs, type KeptTensors } from './segment-graphs.ts';
import { segmentPieces, type SegmentPiece } from './segment-pieces.ts';

/** Graphs kept for a segment: full and short micro-batches, of training and of evaluation. */
const GRAPHS = 8;

/** Rows for a segment. */
export interface SegmentRows {
  parameters: Float32Array;
  batch: Batch;
  /** Of its inputs, in their order. */
  inputs: readonly Float32Array[];
  weight: number;
  seed: number;
}

export interface HostForward {
  outputs: Float32Array[];
  loss: number;
  correct: number;
  evaluation: HostEvaluation | null;
}

/** What is between a forward and its backward: tensors, or (op by op) what it takes to run forward again. */
type Kept = { graphs: SegmentGraphs; tensors: KeptTensors; rows: number } | SegmentRows;

interface Open {
  model: SegmentModel;
  pieces: SegmentPiece[];
  graphs: GraphCache<SegmentGraphs>;
  evaluations: GraphCache<CompiledGraph>;
  /** Null: op by op. */
  compiled: boolean;
}

/** Runs the segments of one partition: compiled where they can be compiled, op by op where not. */
export class PartitionRunner {
  readonly #tensorflow: TensorFlow;
  readonly #layout: ParameterLayout;
  readonly #segments = new Map<number, Open>();
  readonly #kept = new Map<string, Kept>();
  /** What graphs add to while they are made, and where the caller's own memory can not be used. */
  #scratch: Float32Array | null = null;
  #fellBack: string | null = null;

  constructor(tensorflow: TensorFlow, models: readonly SegmentModel[], layout: ParameterLayout, compile: boolean) {
    this.#tensorflow = tensorflow;
    this.#layout = layout;
    for (const model of models)
      this.#segments.set(model.segment.index, {
        model,
        pieces: segmentPieces(layout, model.variables),
        graphs: new GraphCache(GRAPHS),
        evaluations: new GraphCache(GRAPHS),
        compiled: compile,
      });
  }

  /** Why segments run op by op although they were to be compiled; null otherwise. */
  get fellBack(): string | null {
    return this.#fellBack;
  }

  /** How many forwards wait for their backward. */
  get kept(): number {
    return this.#kept.size;
  }

  /** In training: what backward needs is kept. */
  forward(segment: number, microBatch: number, rows: SegmentRows): HostForward {
    const open = this.#open(segment);
    const key = `${segment} ${microBatch}`;
    this.#drop(key);
    const { result, kept } = this.#attempt(
      open,
      () => this.#compiledForward(open, rows),
      () => ({ result: this.#eagerForward(open, rows), kept: copyOf(rows) }),
    );
    this.#kept.set(key, kept);
    return result;
  }

  /** Adds to `gradient`; gradients of the segment's inputs. */
  backward(
    segment: number,
    microBatch: number,
    parameters: Float32Array,
    outputGradients: readonly Float32Array[],
    gradient: Float32Array,
  ): Float32Array[] {
    const open = this.#open(segment);
    const key = `${segment} ${microBatch}`;
    const kept = this.#kept.get(key);
    if (!kept) throw new Error(`Segment ${segment} has not been run forward for micro-batch ${microBatch}`);
    this.#kept.delete(key);
    if (!('graphs' in kept)) return this.#eagerBackward(open, { ...kept, parameters }, outputGradients, gradient);
    const { binding } = this.#tensorflow.backend;
    const inPlace = usedInPlace(binding, gradient);
    const into = inPlace ? gradient : this.#zeros();
    const results = kept.graphs.backward(kept.tensors, {
      ...this.#parameters(open, parameters),
      ...this.#outputGradients(open, outputGradients, kept.rows),
      ...this.#gradientInputs(open, into),
    }) as Float32Array[];
    const inputs = results.slice(0, open.model.inputShapes.length);
    loose(open.pieces).forEach(({ offset }, i) => add(results[inputs.length + i]!, gradient, offset));
    if (!inPlace)
      for (const { offset, length } of open.pieces.filter((piece) => piece.inPlace))
        add(into.subarray(offset, offset + length), gradient, offset);
    return inputs;
  }

  /** Forward and backward in one, op by op: what a segment costs. */
  stepOnce(
    segment: number,
    rows: SegmentRows,
    outputGradients: readonly Float32Array[],
    gradient: Float32Array,
  ): Float32Array[] {
    return this.#eagerBackward(this.#open(segment), rows, outputGradients, gradient);
  }

  /** Dropout off, batch normalisation by its averages; nothing is kept. */
  evaluate(segment: number, rows: SegmentRows): HostForward {
    const open = this.#open(segment);
    const values = this.#attempt(
      open,
      () => this.#compiledEvaluation(open, rows),
      () => this.#eagerEvaluation(open, rows),
    );
    const count = open.model.outputShapes.length;
    return {
      outputs: values.slice(0, count),
      loss: 0,
      correct: 0,
      evaluation: open.model.evaluates ? evaluationOf(values[count]!) : null,
    };
  }

  /** Drops what is kept. */
  forget(): void {
    for (const key of [...this.#kept.keys()]) this.#drop(key);
  }

  dispose(): void {
    this.forget();
    for (const { model, graphs, evaluations } of this.#segments.values()) {
      graphs.dispose();
      evaluations.dispose();
      model.dispose();
    }
    this.#segments.clear();
  }

  #open(segment: number): Open {
    const open = this.#segments.get(segment);
    if (!open) throw new Error(`Segment ${segment} belongs to another partition`);
    return open;
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept && 'graphs' in kept) dropKept(this.#tensorflow.backend.binding, kept.tensors);
  }

  #attempt<Result>(open: Open, compiled: () => Result, eager: () => Result): Result {
    if (!open.compiled) return eager();
    try {
      return compiled();
    } catch (error) {
      if (!(error instanceof NotCompilable)) throw error;
      this.#fellBack ??= error.message;
      open.compiled = false;
      return eager();
    }
  }

  #compiledForward(open: Open, rows: SegmentRows): { result: HostForward; kept: Kept } {
    const { count, features } = rows.batch;
    const inputs = this.#inputs(open, rows);
    const graphs = open.graphs.get(`${count} ${features instanceof Uint8Array}`, () => this.#make(open, rows, inputs));
    const { values, kept: tensors } = graphs.forward(inputs);
    return { result: forwardOf(values as Float32Array[]), kept: { graphs, tensors, rows: count } };
  }

  /** Records forward and backward once, on these rows and gradients of nothing. */
  #make(open: Open, rows: SegmentRows, inputs: Record<string, HostTensor>): SegmentGraphs {
    const { backend } = this.#tensorflow;
    const { model, pieces } = open;
    const { count } = rows.batch;
    const zeros = model.outputShapes.map((shape) => new Float32Array(count * sizeOf(shape)));
    const scratch = this.#zeros();
    const again = {
      ...this.#outputGradients(open, zeros, count),
      ...this.#gradientInputs(open, scratch),
    };
    const recording = tidied(this.#tensorflow, () =>
      record(backend, { ...inputs, ...again }, (tensors) => {
        const { tf } = this.#tensorflow;
        const gradientsOf = model.outputShapes.map((_, i) => tensors[`dy_${i}`]!);
        const step = model.step(
          this.#parameterTensors(open, tensors),
          this.#segmentTensors(open, tensors, rows),
          gradientsOf,
          this.#training(tensors),
        );
        const whole = ({ variables }: SegmentPiece) => {
          const parts = variables.map((index) => tf.reshape(step.gradients[index]!, [1, -1]));
          return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
        };
        return {
          outputs: [step.stats, ...step.outputs, ...step.inputGradients, ...loose(pieces).map(whole)],
          effects: pieces.flatMap((piece, i) =>
            piece.inPlace ? [addInto(backend, tensors[`gradient_${i}`]!, whole(piece))] : [],
          ),
        };
      }),
    );
    const graphs = new SegmentGraphs(
      backend.binding,
      recording,
      1 + model.outputShapes.length,
      (name) => name in again || name.startsWith('parameter_'),
    );
    // TensorFlow optimizes the graphs and looks for kernels in their first run.
    try {
      const { kept } = graphs.forward(inputs);
      graphs.backward(kept, { ...inputs, ...again });
    } catch (error) {
      graphs.dispose();
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotCompilable(`TensorFlow could not run the graph: ${reason}`, { cause: error });
    }
    return graphs;
  }

  #compiledEvaluation(open: Open, rows: SegmentRows): Float32Array[] {
    const { count, features } = rows.batch;
    const inputs = this.#inputs(open, rows);
    const graph = open.evaluations.get(`${count} ${features instanceof Uint8Array}`, () => {
      const { backend } = this.#tensorflow;
      const recording = tidied(this.#tensorflow, () =>
        record(backend, inputs, (tensors) => ({ outputs: this.#evaluation(open, tensors, rows) })),
      );
      const made = new CompiledGraph(backend.binding, recording);
      made.tryOut(inputs);
      return made;
    });
    return graph.run(inputs) as Float32Array[];
  }

  #eagerEvaluation(open: Open, rows: SegmentRows): Float32Array[] {
    return tidied(this.#tensorflow, () =>
      this.#evaluation(open, this.#eager(this.#inputs(open, rows)), rows).map((tensor) => tensor.dataSync<'float32'>()),
    );
  }

  #evaluation(open: Open, tensors: Record<string, Tensor>, rows: SegmentRows): Tensor[] {
    const { outputs, sums } = open.model.evaluate(
      this.#parameterTensors(open, tensors),
      this.#segmentTensors(open, tensors, rows),
    );
    return sums ? [...outputs, sums] : outputs;
  }

  #eagerForward(open: Open, rows: SegmentRows): HostForward {
    return tidied(this.#tensorflow, () => {
      const tensors = this.#eager(this.#inputs(open, rows));
      const { outputs, stats } = open.model.forward(
        this.#parameterTensors(open, tensors),
        this.#segmentTensors(open, tensors, rows),
        this.#training(tensors),
      );
      return forwardOf([stats, ...outputs].map((tensor) => tensor.dataSync<'float32'>()));
    });
  }

  #eagerBackward(
    open: Open,
    rows: SegmentRows,
    outputGradients: readonly Float32Array[],
    gradient: Float32Array,
  ): Float32Array[] {
    return tidied(this.#tensorflow, () => {
      const tensors = this.#eager({
        ...this.#inputs(open, rows),
        ...this.#outputGradients(open, outputGradients, rows.batch.count),
      });
      const { gradients, inputGradients } = open.model.step(
        this.#parameterTensors(open, tensors),
        this.#segmentTensors(open, tensors, rows),
        open.model.outputShapes.map((_, i) => tensors[`dy_${i}`]!),
        this.#training(tensors),
      );
      open.model.variables.forEach((place, i) =>
        add(gradients[i]!.dataSync<'float32'>(), gradient, this.#layout.variables[place]!.offset),
      );
      return inputGradients.map((tensor) => tensor.dataSync<'float32'>());
    });
  }

  /** Inputs of forward by name; backward's are these and those of #outputGradients and #gradientInputs. */
  #inputs(open: Open, { parameters, batch, inputs, weight, seed }: SegmentRows): Record<string, HostTensor> {
    const { binding } = this.#tensorflow.backend;
    const { model } = open;
    const { dataset, segment } = model;
    const { count, features, labels } = batch;
    const tensors: Record<string, HostTensor> = {
      ...this.#parameters(open, parameters),
      seed: { shape: [2], dtype: binding.TF_INT32, values: new Int32Array([seed | 0, 0]) },
      weight: { shape: [], dtype: binding.TF_FLOAT, values: Float32Array.of(weight) },
    };
    if (segment.readsFeatures)
      tensors['features'] = {
        shape: [count, ...model.inputShape],
        dtype: features instanceof Uint8Array ? binding.TF_UINT8 : binding.TF_FLOAT,
        values: features,
      };
    const numbers = dataset.labelKind === 'number';
    if (segment.holdsLoss)
      tensors['labels'] = {
        shape: numbers ? [count, dataset.labelWidth] : [count],
        dtype: numbers ? binding.TF_FLOAT : binding.TF_INT32,
        values: labels,
      };
    model.inputShapes.forEach((shape, i) => (tensors[`input_${i}`] = this.#rows(shape, count, inputs[i]!)));
    return tensors;
  }

  #parameters({ model }: Open, parameters: Float32Array): Record<string, HostTensor> {
    const { binding } = this.#tensorflow.backend;
    return Object.fromEntries(
      model.variables.map((place, i) => {
        const { shape, offset, length } = this.#layout.variables[place]!;
        const values = parameters.subarray(offset, offset + length);
        return [`parameter_${i}`, { shape, dtype: binding.TF_FLOAT, values }];
      }),
    );
  }

  #outputGradients({ model }: Open, gradients: readonly Float32Array[], count: number): Record<string, HostTensor> {
    return Object.fromEntries(
      model.outputShapes.map((shape, i) => [`dy_${i}`, this.#rows(shape, count, gradients[i]!)]),
    );
  }

  #gradientInputs({ pieces }: Open, gradient: Float32Array): Record<string, HostTensor> {
    const { binding } = this.#tensorflow.backend;
    return Object.fromEntries(
      pieces.flatMap(({ offset, length, inPlace }, i) => {
        const values = gradient.subarray(offset, offset + length);
        return inPlace ? [[`gradient_${i}`, { shape: [1, length], dtype: binding.TF_FLOAT, values }]] : [];
      }),
    );
  }

  #rows(shape: readonly number[], count: number, values: Float32Array): HostTensor {
    if (values.length !== count * sizeOf(shape))
      throw new RangeError(`A tensor of ${count} x [${shape.join(', ')}] was given as ${values.length} values`);
    return { shape: [count, ...shape], dtype: this.#tensorflow.backend.binding.TF_FLOAT, values };
  }

  #eager(inputs: Record<string, HostTensor>): Record<string, Tensor> {
    const { backend } = this.#tensorflow;
    const tensors: Record<string, Tensor> = {};
    for (const [name, { shape, dtype, values }] of Object.entries(inputs)) {
      const id = backend.binding.createTensor(shape, dtype, values);
      tensors[name] = backend.createOutputTensor({ id, shape, dtype });
    }
    return tensors;
  }

  #parameterTensors({ model }: Open, tensors: Record<string, Tensor>): Tensor[] {
    return model.variables.map((_, i) => tensors[`parameter_${i}`]!);
  }

  #segmentTensors({ model }: Open, tensors: Record<string, Tensor>, { batch }: SegmentRows) {
    const isByte = batch.features instanceof Uint8Array;
    return {
      features: tensors['features'] ? castFeatures(this.#tensorflow, model, tensors['features'], isByte) : null,
      inputs: model.inputShapes.map((_, i) => tensors[`input_${i}`]!),
      labels: tensors['labels'] ?? null,
    };
  }

  #training(tensors: Record<string, Tensor>): SegmentTraining {
    return {
      weight: tensors['weight'] as Scalar,
      uniform: uniformFrom(this.#tensorflow, tensors['seed']!),
    };
  }

  #zeros(): Float32Array {
    return (this.#scratch ??= sharedVector(this.#layout.length)).fill(0);
  }
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);
const loose = (pieces: readonly SegmentPiece[]) => pieces.filter(({ inPlace }) => !inPlace);

/** Stats, then the segment's outputs. */
function forwardOf([stats, ...outputs]: Float32Array[]): HostForward {
  return { outputs, loss: stats![0]!, correct: stats![1]!, evaluation: null };
}

/** The caller's memory is its own again once forward is done. */
function copyOf(rows: SegmentRows): SegmentRows {
  return { ...rows, inputs: rows.inputs.map((values) => values.slice()) };
}

function add(values: Float32Array, into: Float32Array, offset: number): void {
  for (let i = 0; i < values.length; i++) into[offset + i]! += values[i]!;
}
