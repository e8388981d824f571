import { SUPPORTED_LAYERS } from '@downpour/contracts';
import type { LayerNode, Topology } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import type { DatasetSummary } from '@downpour/contracts';
import { batchOf, IMAGES, layer, ROWS, SEQUENCES, stack, WORDS } from '../testing/small-models.ts';
import { difference, twins } from '../testing/runners.ts';

const dense = layer('Dense', { units: 4, activation: 'tanh' }, 'dense');
const conv = layer('Conv2D', { filters: 4, kernel_size: [3, 3], padding: 'same', activation: 'tanh' }, 'conv');
const recurrent = (className: string, config = {}) =>
  stack(SEQUENCES, [
    layer(className, { units: 4, return_sequences: true, recurrent_regularizer: l2(0.05), ...config }, 'first'),
    layer(className, { units: 3, go_backwards: true, ...config }, 'second'),
  ]);
const sequence = (...nodes: LayerNode[]) => stack(SEQUENCES, nodes);
const after = (node: LayerNode) => stack(IMAGES, [conv, node]);

/** One model for each layer class. */
const MODELS: Record<(typeof SUPPORTED_LAYERS)[number], Topology> = {
  InputLayer: stack(ROWS, []),
  Dense: stack(ROWS, [layer('Dense', { units: 5, activation: 'sigmoid', kernel_regularizer: l2(0.1) })]),
  Conv2D: after(layer('Conv2D', { filters: 3, kernel_size: [3, 3], strides: [2, 2], activation: 'elu' })),
  Conv2DTranspose: after(
    layer('Conv2DTranspose', { filters: 3, kernel_size: [2, 2], strides: [2, 2], padding: 'same' }),
  ),
  DepthwiseConv2D: after(layer('DepthwiseConv2D', { kernel_size: [3, 3], depth_multiplier: 2 })),
  SeparableConv2D: after(layer('SeparableConv2D', { filters: 5, kernel_size: [3, 3], depth_multiplier: 1 })),
  MaxPooling2D: after(layer('MaxPooling2D', { pool_size: [2, 2] })),
  AveragePooling2D: after(layer('AveragePooling2D', { pool_size: [2, 2], padding: 'same' })),
  GlobalAveragePooling2D: after(layer('GlobalAveragePooling2D')),
  GlobalMaxPooling2D: after(layer('GlobalMaxPooling2D')),
  Flatten: stack(IMAGES, []),
  Reshape: after(layer('Reshape', { target_shape: [12, -1] })),
  Permute: after(layer('Permute', { dims: [2, 1, 3] })),
  ZeroPadding2D: after(
    layer('ZeroPadding2D', {
      padding: [
        [1, 0],
        [0, 2],
      ],
    }),
  ),
  Cropping2D: after(
    layer('Cropping2D', {
      cropping: [
        [1, 1],
        [2, 0],
      ],
    }),
  ),
  UpSampling2D: after(layer('UpSampling2D', { size: [2, 2] })),
  Activation: stack(
    ROWS,
    ['relu', 'relu6', 'elu', 'selu', 'softplus', 'softsign', 'tanh', 'swish', 'mish', 'gelu', 'softmax'].map(
      (activation) => layer('Activation', { activation }, activation),
    ),
  ),
  ReLU: after(layer('ReLU', { max_value: 0.5 })),
  LeakyReLU: after(layer('LeakyReLU', { alpha: 0.2 })),
  ELU: after(layer('ELU', { alpha: 1 })),
  Softmax: stack(ROWS, [layer('Dense', { units: 4 }), layer('Softmax', { axis: -1 })]),
  Dropout: after(layer('Dropout', { rate: 0.4 })),
  BatchNormalization: after(layer('BatchNormalization', { axis: [3], momentum: 0.9 })),
  LayerNormalization: after(layer('LayerNormalization', { axis: -1 })),
  LocalResponseNormalization: after(
    layer('LocalResponseNormalization', { depth_radius: 1, bias: 1.5, alpha: 0.8, beta: 0.75 }),
  ),
  Add: merge('Add'),
  Multiply: merge('Multiply'),
  Average: merge('Average'),
  Maximum: merge('Maximum'),
  Minimum: merge('Minimum'),
  Concatenate: merge('Concatenate'),
  Rescaling: after(layer('Rescaling', { scale: 2, offset: -1 })),
  Conv1D: sequence(layer('Conv1D', { filters: 4, kernel_size: 3, padding: 'same', activation: 'tanh' })),
  MaxPooling1D: sequence(dense, layer('MaxPooling1D', { pool_size: 2 })),
  AveragePooling1D: sequence(dense, layer('AveragePooling1D', { pool_size: 2, strides: 1 })),
  GlobalAveragePooling1D: sequence(dense, layer('GlobalAveragePooling1D')),
  GlobalMaxPooling1D: sequence(dense, layer('GlobalMaxPooling1D')),
  RepeatVector: stack(ROWS, [dense, layer('RepeatVector', { n: 3 }), layer('Dense', { units: 2 }, 'each')]),
  Embedding: stack(WORDS, [layer('Embedding', { input_dim: 7, output_dim: 3, embeddings_regularizer: l2(0.1) })]),
  SimpleRNN: recurrent('SimpleRNN'),
  LSTM: recurrent('LSTM'),
  GRU: recurrent('GRU', { reset_after: false }),
};

function l2(strength: number) {
  return { class_name: 'L2', config: { l2: strength } };
}

/** Two dense layers on the input, merged. */
function merge(class_name: string): Topology {
  const calls = (...names: string[]): [string, number, number, Record<string, never>][][] => [
    names.map((name) => [name, 0, 0, {}]),
  ];
  const node = (of: LayerNode, ...inputs: string[]): LayerNode => ({
    ...of,
    name: of.config.name,
    inbound_nodes: inputs.length ? calls(...inputs) : [],
  });
  return {
    class_name: 'Functional',
    config: {
      name: 'merge',
      layers: [
        node(layer('InputLayer', { batch_input_shape: [null, 4] }, 'in')),
        node(layer('Dense', { units: 5, activation: 'tanh' }, 'left'), 'in'),
        node(layer('Dense', { units: 5, activation: 'relu' }, 'right'), 'in'),
        node(layer(class_name, {}, 'merged'), 'left', 'right'),
        node(layer('Dense', { units: 3, activation: 'softmax' }, 'out'), 'merged'),
      ],
      input_layers: [['in', 0, 0]],
      output_layers: [['out', 0, 0]],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
}

describe.each(Object.entries(MODELS))('A model with %s', (name, topology) => {
  const dataset = datasetOf(topology);

  it('has the gradient of finite differences, compiled and op by op', { timeout: 60_000 }, async () => {
    const { prepared, eager, compiled, dispose } = await twins(topology, dataset);
    const batch = batchOf(dataset, 8);
    const { initial, layout } = prepared;
    const reference = eager.step(initial, batch, 5);
    const graph = compiled.step(initial, batch, 5);
    expect(difference(reference.gradient, graph.gradient)).toBeLessThan(1e-5);
    expect(graph.loss).toBeCloseTo(reference.loss, 5);
    expect(graph.correct).toBe(reference.correct);

    // Of the eight largest slopes: those of nothing are lost in float32's rounding.
    const trainable = reference.gradient.subarray(0, layout.trainableLength);
    const largest = [...trainable.keys()].sort((a, b) => Math.abs(trainable[b]!) - Math.abs(trainable[a]!)).slice(0, 8);
    const slope = (i: number, by: number) => {
      const moved = (sign: number) => {
        const parameters = initial.slice();
        parameters[i]! += sign * by;
        return compiled.step(parameters, batch, 5).loss;
      };
      return (moved(1) - moved(-1)) / (2 * by);
    };
    for (const i of largest) {
      const gradient = trainable[i]!;
      // The best of three steps: a long one may cross a kink, a short one drowns in rounding.
      const error = Math.min(...[3e-3, 1e-3, 1e-4].map((by) => Math.abs(slope(i, by) - gradient)));
      expect(error, `${name}: parameter ${i}`).toBeLessThan(0.02 * Math.abs(gradient) + 1e-3);
    }

    const whole = eager.evaluate(initial, batch);
    expect(compiled.evaluate(initial, batch).lossSum).toBeCloseTo(whole.lossSum, 4);
    dispose();
  });
});

describe('The list of supported layers', () => {
  it('is what is tested here', () => {
    expect(Object.keys(MODELS).sort()).toEqual([...SUPPORTED_LAYERS].sort());
  });
});

function datasetOf(topology: Topology): DatasetSummary {
  const shape = (topology.config.layers[0]!.config['batch_input_shape'] as number[]).slice(1).join();
  return [ROWS, IMAGES, SEQUENCES, WORDS].find(({ featureShape }) => featureShape.join() === shape)!;
}
