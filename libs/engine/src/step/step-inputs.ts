import type { DatasetSummary, ParameterLayout } from '@downpour/contracts';
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
 * The inputs of a step by name: `features` as on the wire, `labels`, `seed` (int32 [2]: the step's seed, 0), and `parameter_<i>` for each variable.
 */
export function hostTensors(
  binding: Binding,
  model: Pick<TrainingModel, 'inputShape' | 'dataset' | 'layout'>,
  parameters: Float32Array,
  batch: Batch,
  seed: number,
): Record<string, HostTensor> {
  return {
    features: hostFeatures(binding, model.inputShape, batch),
    labels: hostLabels(binding, model.dataset, batch),
    seed: hostSeed(binding, seed),
    ...hostParameters(binding, model.layout.variables, parameters),
  };
}

export function hostFeatures(binding: Binding, shape: readonly number[], { count, features }: Batch): HostTensor {
  return {
    shape: [count, ...shape],
    dtype: features instanceof Uint8Array ? binding.TF_UINT8 : binding.TF_FLOAT,
    values: features,
  };
}

export function hostLabels(binding: Binding, dataset: DatasetSummary, { count, labels }: Batch): HostTensor {
  const numbers = dataset.labelKind === 'number';
  return {
    shape: numbers ? [count, dataset.labelWidth] : [count],
    dtype: numbers ? binding.TF_FLOAT : binding.TF_INT32,
    values: labels,
  };
}

export function hostSeed(binding: Binding, seed: number): HostTensor {
  return { shape: [2], dtype: binding.TF_INT32, values: new Int32Array([seed | 0, 0]) };
}

/** Views of the flat vector: splitting it in the graph would copy it once more. */
export function hostParameters(
  binding: Binding,
  variables: ParameterLayout['variables'],
  parameters: Float32Array,
): Record<string, HostTensor> {
  return Object.fromEntries(
    variables.map(({ shape, offset, length }, i) => [
      parameterName(i),
      { shape, dtype: binding.TF_FLOAT, values: parameters.subarray(offset, offset + length) },
    ]),
  );
}

/** Of each variable, in their order. */
export function parameterTensors(variables: readonly unknown[], tensors: Record<string, Tensor>): Tensor[] {
  return variables.map((_, i) => tensors[parameterName(i)]!);
}

const parameterName = (variable: number) => `parameter_${variable}`;

/** For ops that run one by one. */
export function eagerTensors({ backend }: TensorFlow, inputs: Record<string, HostTensor>): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, dtype, values }] of Object.entries(inputs)) {
    const id = backend.binding.createTensor(shape, dtype, values);
    tensors[name] = backend.createOutputTensor({ id, shape, dtype });
  }
  return tensors;
}

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
