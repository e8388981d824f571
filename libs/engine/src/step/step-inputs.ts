import type { TrainingModel } from '@downpour/models';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import type { Binding } from '../tensorflow/binding.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import type { Batch } from './batch.ts';

/** The host tensors of a step, in this order. */
export interface StepInputs {
  parameters: Tensor1D;
  /** As on the wire: uint8 or float32. */
  features: Tensor;
  labels: Tensor;
  /** int32 [2]: the step's seed, 0. */
  seed: Tensor;
}

export const INPUT_NAMES = ['parameters', 'features', 'labels', 'seed'] as const;

export interface HostTensor {
  shape: number[];
  dtype: number;
  values: Float32Array | Int32Array | Uint8Array;
}

export function hostTensors(
  binding: Binding,
  model: TrainingModel,
  parameters: Float32Array,
  batch: Batch,
  seed: number,
): Record<(typeof INPUT_NAMES)[number], HostTensor> {
  const { count, features, labels } = batch;
  const { dataset, inputShape, layout } = model;
  const numbers = dataset.labelKind === 'number';
  return {
    parameters: { shape: [layout.length], dtype: binding.TF_FLOAT, values: parameters },
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
}

/** Features as the model reads them: float32, and uint8 divided by 255. */
export function castFeatures({ tf, backend }: TensorFlow, features: Tensor, isByte: boolean): Tensor {
  if (!isByte) return features;
  const { binding } = backend;
  // tfjs has no uint8 (it calls such a tensor int32), so the op is called past it.
  const attributes = [
    { name: 'SrcT', type: binding.TF_ATTR_TYPE, value: binding.TF_UINT8 },
    { name: 'DstT', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
  ];
  const [cast] = binding.executeOp('Cast', attributes, backend.getInputTensorIds([features]), 1);
  return tf.mul(backend.createOutputTensor(cast!), 1 / 255);
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
