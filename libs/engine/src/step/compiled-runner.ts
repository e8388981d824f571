import type { TrainingModel } from '@downpour/models';
import type { Tensor } from '@tensorflow/tfjs';
import { CompiledGraph } from '../graph/compiled-graph.ts';
import { GraphCache } from '../graph/graph-cache.ts';
import { record } from '../graph/record.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import type { Batch, HostEvaluation, HostStep, StepRunner } from './batch.ts';
import { castFeatures, flatten, hostTensors, parameterTensors, uniformFrom, type HostTensor } from './step-inputs.ts';

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
  readonly #graphs = new GraphCache(GRAPHS);

  constructor(tensorflow: TensorFlow, model: TrainingModel) {
    this.#tensorflow = tensorflow;
    this.#model = model;
  }

  /** @throws NotCompilable */
  step(parameters: Float32Array, batch: Batch, seed: number, gradient?: Float32Array): HostStep {
    const inputs = hostTensors(this.#tensorflow.backend.binding, this.#model, parameters, batch, seed);
    const graph = this.#graph('step', batch, inputs, (tensors, values, features) => {
      const uniform = uniformFrom(this.#tensorflow, tensors['seed']!);
      const { gradients, stats } = this.#model.step(values, features, tensors['labels']!, uniform);
      return [stats, ...gradients];
    });
    const [stats, ...gradients] = graph.run(inputs);
    return { gradient: flatten(this.#model, gradients, gradient), loss: stats![0]!, correct: stats![1]! };
  }

  /** @throws NotCompilable */
  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    const inputs = hostTensors(this.#tensorflow.backend.binding, this.#model, parameters, batch, 0);
    const graph = this.#graph('evaluate', batch, inputs, (tensors, values, features) => [
      this.#model.evaluate(values, features, tensors['labels']!),
    ]);
    const [sums] = graph.run(inputs);
    return { lossSum: sums![0]!, correct: sums![1]! };
  }

  dispose(): void {
    this.#graphs.dispose();
  }

  #graph(
    kind: 'step' | 'evaluate',
    batch: Batch,
    inputs: Record<string, HostTensor>,
    body: (tensors: Record<string, Tensor>, parameters: Tensor[], features: Tensor) => Tensor[],
  ): CompiledGraph {
    const isByte = batch.features instanceof Uint8Array;
    return this.#graphs.get(`${kind} ${batch.count} ${isByte}`, () => {
      const { backend } = this.#tensorflow;
      const recording = tidied(this.#tensorflow, () =>
        record(backend, inputs, (tensors) => {
          const features = castFeatures(this.#tensorflow, tensors['features']!, isByte);
          return body(tensors, parameterTensors(this.#model, tensors), features);
        }),
      );
      const graph = new CompiledGraph(backend.binding, recording);
      graph.tryOut(inputs);
      return graph;
    });
  }
}
