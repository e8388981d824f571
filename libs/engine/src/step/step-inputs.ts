import type { TrainingModel } from '@downpour/models';
import type { Tensor } from '@tensorflow/tfjs';
import type { Binding } from '../tensorflow/binding.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import type { Batch } from './batch.ts';

/** A tensor in host memory. */
export interface HostTensor {
  shape: number[];
  dtype: number;
  values: Float32Array | Int32Array | Uint8Array;
}

/**
 * The inputs of a step by name: `features` as on the wire, `labels`, `seed` (int32 [2]: the step's seed, 0), and `parameter_<i>` for each
 * variable, views of the flat vector: splitting it in the graph would copy it once more.
 */
export function hostTensors(
  binding: Binding,
  model: TrainingModel,
  parameters: Float32Array,
  batch: Batch,
  seed: number,
): Record<string, HostTensor> {
  const { count, features, labels } = batch;
  const { dataset, inputShape, layout } = model;
  const numbers = dataset.labelKind === 'number';
  const tensors: Record<string, HostTensor> = {
    features: {
      shape: [count, ...inputShape],
      dtype: features instanceof Uint8Array ? binding.TF_UINT8 : binding.TF_FLOAT,
      values: features,
    },
    labels: {
      shape: numbers ? [count, dataset.labelWidth] : [count],
      dtype: numbers ? binding.TF_FLOAT : binding.TF_INT32,
      values: labels,
    },
    seed: { shape: [2], dtype: binding.TF_INT32, values: new Int32Array([seed | 0, 0]) },
  };
  layout.variables.forEach(({ shape, offset, length }, i) => {
    tensors[parameterName(i)] = {
      shape,
      dtype: binding.TF_FLOAT,
      values: parameters.subarray(offset, offset + length),
    };
  });
  return tensors;
}

export function parameterTensors(model: TrainingModel, tensors: Record<string, Tensor>): Tensor[] {
  return model.layout.variables.map((_, i) => tensors[parameterName(i)]!);
}

const parameterName = (variable: number) => `parameter_${variable}`;

/** Gradients of each variable into one flat vector. */
export function flatten(model: TrainingModel, gradients: ArrayLike<number>[], into?: Float32Array): Float32Array {
  const flat = into ?? new Float32Array(model.layout.length);
  model.layout.variables.forEach(({ offset }, i) => flat.set(gradients[i]!, offset));
  return flat;
}

/** Features as the model reads them: float32, and uint8 divided by 255 unless they are indices. */
export function castFeatures(
  { tf, backend }: TensorFlow,
  model: { readsIndices: boolean },
  features: Tensor,
  isByte: boolean,
): Tensor {
  if (!isByte) return features;
  const { binding } = backend;
  // tfjs has no uint8 (it calls such a tensor int32), so the op is called past it.
  const attributes = [
    { name: 'SrcT', type: binding.TF_ATTR_TYPE, value: binding.TF_UINT8 },
    { name: 'DstT', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
  ];
  const [cast] = binding.executeOp('Cast', attributes, backend.getInputTensorIds([features]), 1);
  const values = backend.createOutputTensor(cast!);
  return model.readsIndices ? values : tf.mul(values, 1 / 255);
}

/** Numbers of dropout: a pure function of (seed, layer), the same op by op and compiled. */
export function uniformFrom({ tf, backend }: TensorFlow, seed: Tensor): (shape: number[], layer: number) => Tensor {
  return (shape, layer) => {
    const { binding } = backend;
    const key = tf.add(seed, tf.tensor1d([0, layer], 'int32'));
    const attributes = [
      { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
      { name: 'Tseed', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
      { name: 'dtype', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    ];
    const ids = backend.getInputTensorIds([tf.tensor1d(shape, 'int32'), key]);
    const [numbers] = binding.executeOp('StatelessRandomUniform', attributes, ids, 1);
    return backend.createOutputTensor(numbers!);
  };
}
