import type { ParameterLayout } from '@downpour/contracts';
import type { SegmentModel, SegmentTensors, SegmentTraining } from '@downpour/models';
import type { Scalar, Tensor } from '@tensorflow/tfjs';
import type { Batch, HostEvaluation } from '../step/batch.ts';
import {
  castFeatures,
  hostFeatures,
  hostLabels,
  hostParameters,
  hostSeed,
  parameterTensors,
  uniformFrom,
  type HostTensor,
} from '../step/step-inputs.ts';
import type { TensorFlow } from '../tensorflow/load.ts';

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

/** What a segment is given, by name: on the host, and as its model takes it. */
export class SegmentInputs {
  readonly #tensorflow: TensorFlow;
  readonly #model: SegmentModel;
  readonly #variables: ParameterLayout['variables'];

  constructor(tensorflow: TensorFlow, model: SegmentModel, layout: ParameterLayout) {
    this.#tensorflow = tensorflow;
    this.#model = model;
    this.#variables = model.variables.map((place) => layout.variables[place]!);
  }

  /** Inputs of forward. */
  forward({ parameters, batch, inputs, weight, seed }: SegmentRows): Record<string, HostTensor> {
    const { binding } = this.#tensorflow.backend;
    const { dataset, segment, inputShape, inputShapes } = this.#model;
    const tensors: Record<string, HostTensor> = {
      ...this.parameters(parameters),
      seed: hostSeed(binding, seed),
      weight: { shape: [], dtype: binding.TF_FLOAT, values: Float32Array.of(weight) },
    };
    if (segment.readsFeatures) tensors['features'] = hostFeatures(binding, inputShape, batch);
    if (segment.holdsLoss) tensors['labels'] = hostLabels(binding, dataset, batch);
    inputShapes.forEach((shape, i) => (tensors[`input_${i}`] = this.#rows(shape, batch.count, inputs[i]!)));
    return tensors;
  }

  parameters(parameters: Float32Array): Record<string, HostTensor> {
    return hostParameters(this.#tensorflow.backend.binding, this.#variables, parameters);
  }

  /** Of each output, float32 [rows, ...shape]. */
  outputGradients(gradients: readonly Float32Array[], rows: number): Record<string, HostTensor> {
    return Object.fromEntries(
      this.#model.outputShapes.map((shape, i) => [`dy_${i}`, this.#rows(shape, rows, gradients[i]!)]),
    );
  }

  /** What `model.step` takes, in its order. */
  stepTensors(tensors: Record<string, Tensor>, rows: SegmentRows): Parameters<SegmentModel['step']> {
    const [parameters, given, training] = this.forwardTensors(tensors, rows);
    return [parameters, given, this.#model.outputShapes.map((_, i) => tensors[`dy_${i}`]!), training];
  }

  /** What `model.forward` takes, in its order; `model.evaluate` takes the first two. */
  forwardTensors(tensors: Record<string, Tensor>, { batch }: SegmentRows): [Tensor[], SegmentTensors, SegmentTraining] {
    const { features, labels, seed, weight } = tensors;
    const isByte = batch.features instanceof Uint8Array;
    return [
      parameterTensors(this.#variables, tensors),
      {
        features: features ? castFeatures(this.#tensorflow, this.#model, features, isByte) : null,
        inputs: this.#model.inputShapes.map((_, i) => tensors[`input_${i}`]!),
        labels: labels ?? null,
      },
      { weight: weight as Scalar, uniform: uniformFrom(this.#tensorflow, seed!) },
    ];
  }

  #rows(shape: readonly number[], count: number, values: Float32Array): HostTensor {
    if (values.length !== sizeOf(shape, count))
      throw new RangeError(`A tensor of ${count} x [${shape.join(', ')}] was given as ${values.length} values`);
    return { shape: [count, ...shape], dtype: this.#tensorflow.backend.binding.TF_FLOAT, values };
  }
}

/** Numbers in `rows` rows of a shape. */
export function sizeOf(shape: readonly number[], rows: number): number {
  return shape.reduce((size, n) => size * n, rows);
}

/** Stats, then the segment's outputs. */
export function forwardOf([stats, ...outputs]: Float32Array[]): HostForward {
  return { outputs, loss: stats![0]!, correct: stats![1]!, evaluation: null };
}

/** `values` are added to `into` from `offset` on. */
export function addTo(into: Float32Array, values: Float32Array, offset: number): void {
  for (let i = 0; i < values.length; i++) into[offset + i]! += values[i]!;
}
