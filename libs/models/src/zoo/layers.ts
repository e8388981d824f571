import type { LayerNode } from '../topology/topology.ts';

const HE = { class_name: 'HeNormal', config: {} };
const GLOROT = { class_name: 'GlorotUniform', config: {} };
/** He's initialiser suits units that are zero for half of their inputs (He et al. 2015), Glorot's the others. */
const initializerFor = (activation: string) => (activation === 'relu' || activation === 'elu' ? HE : GLOROT);

export function input(shape: readonly number[]): LayerNode {
  return { class_name: 'InputLayer', config: { name: 'input', batch_input_shape: [null, ...shape] } };
}

export function dense(name: string, units: number, activation: string): LayerNode {
  return {
    class_name: 'Dense',
    config: { name, units, activation, use_bias: true, kernel_initializer: initializerFor(activation) },
  };
}

export function conv2d(
  name: string,
  filters: number,
  size: number,
  activation: string,
  padding: 'valid' | 'same' = 'valid',
  stride = 1,
): LayerNode {
  return {
    class_name: 'Conv2D',
    config: {
      name,
      filters,
      kernel_size: [size, size],
      strides: [stride, stride],
      padding,
      activation,
      use_bias: true,
      kernel_initializer: initializerFor(activation),
    },
  };
}

export function maxPool(name: string): LayerNode {
  return { class_name: 'MaxPooling2D', config: { name, pool_size: [2, 2], strides: [2, 2], padding: 'valid' } };
}

export function averagePool(name: string): LayerNode {
  return { class_name: 'AveragePooling2D', config: { name, pool_size: [2, 2], strides: [2, 2], padding: 'valid' } };
}

export function flatten(): LayerNode {
  return { class_name: 'Flatten', config: { name: 'flatten' } };
}

/** Nothing for a rate of 0. */
export function dropout(name: string, rate: number): LayerNode[] {
  return rate > 0 ? [{ class_name: 'Dropout', config: { name, rate } }] : [];
}
