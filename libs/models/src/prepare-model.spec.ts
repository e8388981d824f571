import type { DatasetSummary, ModelSpec, ZooModel } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import tf from '@tensorflow/tfjs';
import { describeModel, drawVariables, prepareModel } from './prepare-model.ts';
import { fixture } from './topology/fixtures.ts';
import { sequential, type LayerNode } from './topology/topology.ts';

const MNIST: DatasetSummary = {
  trainExamples: 60_000,
  testExamples: 10_000,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};
const HOUSES: DatasetSummary = {
  ...MNIST,
  featureShape: [13],
  featureType: 'float32',
  labelKind: 'number',
  classes: 0,
};
const prepare = (model: ModelSpec, dataset = MNIST, seed = 1) => prepareModel({ model, seed }, dataset);
const dense = (name: string, units: number, more = {}): LayerNode => ({
  class_name: 'Dense',
  config: { name, units, ...more },
});

describe('The zoo', () => {
  it.each<[ZooModel, number]>([
    [{ zoo: 'logistic' }, 7_850],
    [{ zoo: 'mlp' }, 203_530],
    [{ zoo: 'mlp', hiddenUnits: [2048, 2048, 1024] }, 7_912_458],
    [{ zoo: 'lenet5' }, 61_706],
    [{ zoo: 'mnist-cnn' }, 225_034],
    [{ zoo: 'mnist-cnn', dropout: 0.5 }, 225_034],
  ])('builds %j with %i parameters on MNIST', { timeout: 60_000 }, async (model, parameters) => {
    const { layout, initial } = await prepare(model);
    expect([layout.length, layout.trainableLength, initial.length]).toEqual([parameters, parameters, parameters]);
  });

  it('reads rows of numbers as well as images, and predicts numbers', async () => {
    const { layout, loss, topology } = await prepare({ zoo: 'mlp', hiddenUnits: [8] }, HOUSES);
    expect(layout.length).toBe(13 * 8 + 8 + 9);
    expect(loss).toBe('meanSquaredError');
    expect(topology.config.layers.at(-1)!.config['activation']).toBe('linear');
  });

  it.each<[ZooModel, DatasetSummary, string, string]>([
    [{ zoo: 'mnist-cnn' }, HOUSES, 'model.zoo', 'reads images'],
    [{ zoo: 'lenet5' }, { ...MNIST, featureShape: [8, 8, 1] }, 'model.zoo', 'at least 14x14'],
    [{ zoo: 'lenet5', dropout: 0.5 }, MNIST, 'model.dropout', 'lenet5 has no option dropout. It has none.'],
    [{ zoo: 'mnist-cnn', hiddenUnits: [3] }, MNIST, 'model.hiddenUnits', 'It has dropout.'],
    [{ zoo: 'logistic' }, { ...MNIST, classes: 1 }, 'dataset', 'at least two'],
  ])('refuses %j where it does not fit', async (model, dataset, field, words) => {
    await expect(prepare(model, dataset)).rejects.toMatchObject({
      code: 'invalid-model',
      field,
      message: expect.stringContaining(words) as string,
    });
  });
});

describe('Initial parameters', () => {
  it('are the same for the same seed, and others for another', async () => {
    const [first, again, other] = await Promise.all([1, 1, 2].map((seed) => prepare({ zoo: 'lenet5' }, MNIST, seed)));
    expect(again!.initial).toEqual(first!.initial);
    expect(other!.initial).not.toEqual(first!.initial);
    expect(first!.initial.every(Number.isFinite)).toBe(true);
  });

  it.each(['SimpleRNN', 'LSTM', 'GRU'])('of %s and an embedding follow from the seed too', async (class_name) => {
    const topology = sequential('user', [
      { class_name: 'Embedding', config: { name: 'words', input_dim: 50, output_dim: 6 } },
      { class_name, config: { name: 'memory', units: 5 } },
      dense('last', 10),
    ]);
    const of = (seed: number) => prepare({ topology }, { ...MNIST, featureShape: [12] }, seed);
    const [first, again, other] = await Promise.all([of(1), of(1), of(2)]);
    expect(again!.initial).toEqual(first!.initial);
    for (const { name, offset, length } of first!.layout.variables) {
      if (name.endsWith('bias')) continue;
      expect(other!.initial.subarray(offset, offset + length), name).not.toEqual(
        first!.initial.subarray(offset, offset + length),
      );
    }
  });

  it('differ between layers of the same shape', async () => {
    const { initial, layout } = await prepare({ zoo: 'mlp', hiddenUnits: [16, 16, 16] });
    const values = (i: number) => initial.subarray(layout.variables[i]!.offset, layout.variables[i]!.offset + 256);
    expect(values(2)).not.toEqual(values(4));
  });

  it('are spread as their initialiser says, and as the user says where he does', async () => {
    const layers = [
      dense('a', 256),
      dense('b', 64, { bias_initializer: { class_name: 'Constant', config: { value: 0.5 } } }),
      dense('c', 10),
    ];
    layers[0]!.config['batch_input_shape'] = [null, 784];
    const { initial, layout } = await prepare({ topology: sequential('user', layers) });
    const of = (name: string) => layout.variables.find((variable) => variable.name === name)!;
    const kernel = initial.subarray(0, of('a/kernel').length);
    const limit = Math.sqrt(6 / (784 + 256));
    expect(Math.max(...kernel.map(Math.abs).subarray(0, 50_000))).toBeLessThanOrEqual(limit);
    const variance = kernel.reduce((sum, value) => sum + value * value, 0) / kernel.length;
    expect(variance).toBeCloseTo(limit ** 2 / 3, 4);
    const bias = of('b/bias');
    expect(initial.subarray(bias.offset, bias.offset + bias.length)).toEqual(new Float32Array(64).fill(0.5));
  });
});

describe('A model that is more than fits', () => {
  const wide: ZooModel = { zoo: 'mlp', hiddenUnits: [30_000, 30_000] };
  const partitions = { count: 4, microBatches: 4, split: { hidden_2: 4 } };

  it('is described without memory for its parameters, where it is to be cut', async () => {
    const before = tf.memory().numBytes;
    const describing = describeModel({ model: wide, seed: 1, partitions }, MNIST);
    expect(tf.memory().numBytes - before).toBeLessThan(1000);
    expect((await describing).layout.length).toBe(784 * 30_000 + 30_000 * 30_000 + 2 * 30_000 + 300_010);
    expect(tf.memory().numBytes).toBe(before);
    await expect(describeModel({ model: wide, seed: 1 }, MNIST)).rejects.toThrow('more than 268,435,456 parameters');
  });

  it('has the same initial parameters when they are drawn in parts', async () => {
    const spec = { model: { zoo: 'lenet5' } as const, seed: 5 };
    const { topology, layout, initial } = await prepareModel(spec, MNIST);
    const tensors = tf.memory().numTensors;
    const parts: Float32Array[] = [];
    while (parts.length < layout.variables.length) {
      const drawn = await drawVariables(topology, 5, parts.length, 1000);
      expect(drawn.length).toBeGreaterThan(0);
      parts.push(...drawn);
    }
    expect(parts.map(({ length }) => length)).toEqual(layout.variables.map(({ length }) => length));
    expect(Float32Array.from(parts.flatMap((part) => [...part]))).toEqual(initial);
    expect(tf.memory().numTensors).toBe(tensors);
  });
});

describe('A layout', () => {
  it('holds trainable variables first, then state, without gaps', async () => {
    const { layout } = await prepare({ topology: fixture('keras3-sequential') });
    const state = layout.variables.filter(({ trainable }) => !trainable).map(({ name }) => name);
    expect(state).toEqual(['batch_normalization/moving_mean', 'batch_normalization/moving_variance']);
    expect(layout.variables.map(({ trainable }) => trainable)).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    let offset = 0;
    for (const variable of layout.variables) {
      expect(variable.offset).toBe(offset);
      offset += variable.length;
    }
    expect(layout.length).toBe(offset);
    expect(layout.trainableLength).toBe(layout.length - 16);
  });

  it('counts a frozen layer as state', async () => {
    const layers = [dense('frozen', 8, { batch_input_shape: [null, 784], trainable: false }), dense('last', 10)];
    const { layout } = await prepare({ topology: sequential('user', layers) });
    expect(layout.variables.map(({ name }) => name)).toEqual([
      'last/kernel',
      'last/bias',
      'frozen/kernel',
      'frozen/bias',
    ]);
    expect(layout.trainableLength).toBe(90);
  });

  it('has the same names when the same model is built again', async () => {
    const names = async () => (await prepare({ zoo: 'lenet5' })).layout.variables.map(({ name }) => name);
    expect(await names()).toEqual(await names());
  });
});

describe('A model of a user', () => {
  it.each<[string, LayerNode[], DatasetSummary, string]>([
    [
      'of another input',
      [dense('a', 10, { batch_input_shape: [null, 100] })],
      MNIST,
      'reads examples of shape [100], but those of the data set have shape [28, 28, 1]',
    ],
    [
      'of too few outputs',
      [dense('a', 9, { batch_input_shape: [null, 784] })],
      MNIST,
      'has 9 units, the data set has 10 classes. Give it 10',
    ],
    [
      'of one output for two classes',
      [dense('a', 1, { batch_input_shape: [null, 784] })],
      { ...MNIST, classes: 2 },
      'sigmoidCrossEntropy',
    ],
    ['of outputs that are no rows', [dense('a', 10)], MNIST, 'End it with Flatten'],
    ['of wrong width for numbers', [dense('a', 3)], HOUSES, "the data set's labels have 1 numbers. Give it 1"],
    [
      'that does not fit together',
      [dense('a', 4), { class_name: 'Conv2D', config: { name: 'b', filters: 2, kernel_size: [3, 3] } }],
      HOUSES,
      'The layers do not fit together: Input 0 is incompatible with layer b',
    ],
    [
      'without parameters',
      [{ class_name: 'Flatten', config: { name: 'f' } }],
      { ...MNIST, featureShape: [5, 2] },
      'no parameter to train',
    ],
  ])('%s is refused with a sentence', async (_, layers, dataset, words) => {
    await expect(prepare({ topology: sequential('user', layers) }, dataset)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining(words) as string,
    });
  });

  it.each([1e6, 1e9])('of %i hidden units is refused before it takes memory', async (units) => {
    const before = process.memoryUsage.rss();
    await expect(
      prepare({
        topology: sequential('user', [dense('a', units, { batch_input_shape: [null, 784] }), dense('b', 10)]),
      }),
    ).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('more than 268,435,456 parameters') as string,
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });

  it('may leave its input to the data set, flatten what is flat and reshape to an open size', async () => {
    const layers: LayerNode[] = [
      { class_name: 'Flatten', config: { name: 'needless' } },
      dense('a', 12),
      { class_name: 'Reshape', config: { name: 'r', target_shape: [3, -1] } },
      { class_name: 'Flatten', config: { name: 'f' } },
      dense('last', 1),
    ];
    const { topology, layout } = await prepare({ topology: sequential('user', layers) }, HOUSES);
    expect(topology.config.layers.map(({ config }) => config.name)).toEqual(['a', 'r', 'f', 'last']);
    expect(topology.config.layers[1]!.config['target_shape']).toEqual([3, 4]);
    expect(layout.length).toBe(13 * 12 + 12 + 13);
  });
});

describe('Several outputs', () => {
  const call = (from: string): NonNullable<LayerNode['inbound_nodes']> => [[[from, 0, 0, {}]]];
  const headed = (auxiliaryUnits = 10) => ({
    class_name: 'Functional',
    config: {
      layers: [
        { ...dense('pixels', 0), class_name: 'InputLayer', config: { name: 'pixels', batch_input_shape: [null, 784] } },
        { ...dense('main', 10), inbound_nodes: call('pixels') },
        { ...dense('side', auxiliaryUnits), inbound_nodes: call('pixels') },
      ],
      input_layers: [['pixels', 0, 0]],
      output_layers: [
        ['main', 0, 0],
        ['side', 0, 0],
      ],
    },
  });

  it.each([
    [undefined, undefined],
    [
      [1, 0.3],
      [1, 0.3],
    ],
    [{ side: 0.3 }, [1, 0.3]],
  ])('have the weights %j', async (lossWeights, expected) => {
    const { topology, layout } = await prepare({ topology: headed(), lossWeights });
    expect(topology.loss_weights).toEqual(expected);
    expect(layout.length).toBe(2 * 7850);
  });

  it.each<[Extract<ModelSpec, { topology: unknown }>['lossWeights'], string]>([
    [[1], 'a weight for each of the 2 outputs (main, side)'],
    [{ aside: 1 }, '"aside" is no output. The outputs are main, side.'],
    [{ main: 0, side: 0 }, 'nothing to learn'],
  ])('are refused with the weights %j', async (lossWeights, words) => {
    await expect(prepare({ topology: headed(), lossWeights })).rejects.toMatchObject({
      field: 'model.lossWeights',
      message: expect.stringContaining(words) as string,
    });
  });

  it('must all fit the labels', async () => {
    await expect(prepare({ topology: headed(7) })).rejects.toThrow('The output side has 7 units');
  });
});
