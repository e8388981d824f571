import type { TrainingModel } from '@downpour/models';
import type { Tensor } from '@tensorflow/tfjs';
import { CompiledGraph } from '../graph/compiled-graph.ts';
import { GraphCache } from '../graph/graph-cache.ts';
import type { GraphSource } from '../graph/loaded-graph.ts';
import { record, type Recorded } from '../graph/record.ts';
import { sharedVector } from '../shared-vectors.ts';
import { usedInPlace } from '../tensorflow/in-place.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import { evaluationOf, type Batch, type HostEvaluation, type HostStep, type StepRunner } from './batch.ts';
import { gradientInputs, piecesOf, writeGradients, type GradientPiece } from './gradient-pieces.ts';
import { castFeatures, hostTensors, parameterTensors, uniformFrom, type HostTensor } from './step-inputs.ts';

/**
 * Graphs kept for a model: a graph is of one batch size. Usual are a full and a short batch for training and the same for
 * evaluation; a second short one leaves room for chunks of two sizes.
 */
const GRAPHS = 8;

/**
 * Runs a model's steps as TensorFlow graphs, two to four times faster than op by op and with the same numbers. The first step of
 * each batch size is traced on zeros: shapes are fixed then, values are not.
 */
export class CompiledRunner implements StepRunner {
  readonly #tensorflow: TensorFlow;
  readonly #model: TrainingModel;
  readonly #graphs = new GraphCache<CompiledGraph>(GRAPHS);
  readonly #pieces: readonly GradientPiece[];
  /** Memory that graphs can write into, for callers whose own they can't. */
  #scratch: Float32Array | null = null;

  constructor(tensorflow: TensorFlow, model: TrainingModel) {
    this.#tensorflow = tensorflow;
    this.#model = model;
    this.#pieces = piecesOf(model.layout);
  }

  /** `gradient` in memory that starts at a multiple of 64 bytes is written by the graph itself. @throws NotCompilable */
  step(parameters: Float32Array, batch: Batch, seed: number, gradient?: Float32Array): HostStep {
    const { binding } = this.#tensorflow.backend;
    const inPlace = gradient && usedInPlace(binding, gradient);
    const written = inPlace ? gradient : (this.#scratch ??= sharedVector(this.#model.layout.length));
    const inputs = {
      ...hostTensors(binding, this.#model, parameters, batch, seed),
      ...gradientInputs(binding, this.#pieces, written),
    };
    const graph = this.#graph('step', batch, inputs, (tensors, values, features) => {
      const uniform = uniformFrom(this.#tensorflow, tensors['seed']!);
      const { gradients, stats } = this.#model.step(values, features, tensors['labels']!, uniform);
      return { outputs: [stats], effects: writeGradients(this.#tensorflow, this.#pieces, tensors, gradients) };
    });
    const [stats] = graph.run(inputs);
    const result = { loss: stats![0]!, correct: stats![1]! };
    if (inPlace) return { gradient, ...result };
    if (!gradient) return { gradient: written.slice(), ...result };
    gradient.set(written);
    return { gradient, ...result };
  }

  /** @throws NotCompilable */
  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    const inputs = hostTensors(this.#tensorflow.backend.binding, this.#model, parameters, batch, 0);
    const graph = this.#graph('evaluate', batch, inputs, (tensors, values, features) => ({
      outputs: [this.#model.evaluate(values, features, tensors['labels']!)],
    }));
    return evaluationOf(graph.run(inputs)[0] as Float32Array);
  }

  /** @throws NotCompilable */
  predict(parameters: Float32Array, batch: Batch): Float32Array {
    const inputs = hostTensors(this.#tensorflow.backend.binding, this.#model, parameters, batch, 0);
    const graph = this.#graph('predict', batch, inputs, (_, values, features) => ({
      outputs: [this.#model.predict(values, features)],
    }));
    return graph.run(inputs)[0] as Float32Array;
  }

  /** Of a step on so many rows, once there was one. */
  stepGraph(batch: Pick<Batch, 'count' | 'features'>): GraphSource | undefined {
    return this.#graphs.peek(graphKey('step', batch))?.source;
  }

  dispose(): void {
    this.#graphs.dispose();
  }

  #graph(
    kind: 'step' | 'evaluate' | 'predict',
    batch: Batch,
    inputs: Record<string, HostTensor>,
    body: (tensors: Record<string, Tensor>, parameters: Tensor[], features: Tensor) => Recorded,
  ): CompiledGraph {
    const isByte = batch.features instanceof Uint8Array;
    return this.#graphs.get(graphKey(kind, batch), () => {
      const { backend } = this.#tensorflow;
      const recording = tidied(this.#tensorflow, () =>
        record(backend, inputs, (tensors) => {
          const features = castFeatures(this.#tensorflow, this.#model, tensors['features']!, isByte);
          return body(tensors, parameterTensors(this.#model.layout.variables, tensors), features);
        }),
      );
      const graph = new CompiledGraph(backend.binding, recording);
      graph.tryOut(inputs);
      return graph;
    });
  }
}

function graphKey(kind: string, { count, features }: Pick<Batch, 'count' | 'features'>): string {
  return `${kind} ${count} ${features instanceof Uint8Array}`;
}
