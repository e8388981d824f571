import type { DownpourError } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { modelFromTopology } from '../build-model.ts';
import { canonicalTopology, checkTopology } from './canonical-topology.ts';
import { fixture, type Fixture, type FixtureName } from './fixtures.ts';

/** Parameters as Keras counts them. */
const PARAMETERS: Record<FixtureName, number> = {
  'keras2-sequential': 784 * 128 + 128 + 1290,
  'keras2-functional': 80 + 32 + 90,
  'keras3-sequential': 80 + 32 + 13530,
  'keras3-functional': 2 * (784 * 16 + 16) + 330,
};

describe.each(Object.entries(PARAMETERS))('A topology as written by %s', (name, parameters) => {
  it('becomes a model with the parameters that Keras counts', async () => {
    const model = await modelFromTopology(canonicalTopology(fixture(name as FixtureName)));
    expect(model.countParams()).toBe(parameters);
    expect(model.outputs[0]!.shape).toEqual([null, 10]);
    model.dispose();
  });

  it('is canonical once brought into that form', () => {
    const canonical = canonicalTopology(fixture(name as FixtureName));
    expect(canonicalTopology(structuredClone(canonical))).toEqual(canonical);
  });
});

describe('canonicalTopology', () => {
  it('understands what Keras 3 renamed', () => {
    const { config } = canonicalTopology(fixture('keras3-sequential'));
    const of = (name: string) => config.layers.find((layer) => layer.config.name === name)!.config;
    expect(of('input_layer')).toEqual({ name: 'input_layer', batch_input_shape: [null, 28, 28, 1] });
    expect(of('conv2d')).toMatchObject({
      activation: 'swish',
      kernel_regularizer: { class_name: 'L1L2', config: { l1: 0, l2: 0.0001 } },
    });
    expect(of('leaky_re_lu')['alpha']).toBe(0.1);
    const functional = canonicalTopology(fixture('keras3-functional')).config;
    expect(functional.layers[5]!.inbound_nodes).toEqual([
      [
        ['left', 0, 0, {}],
        ['right', 0, 0, {}],
      ],
    ]);
    expect([functional.input_layers, functional.output_layers]).toEqual([[['pixels', 0, 0]], [['dense', 0, 0]]]);
    expect(functional.layers[4]!.config['activation']).toBe('tanh');
  });

  it('reads what tfjs writes: toJSON() and the modelTopology of a saved model', async () => {
    const input = tf.input({ shape: [4] });
    const hidden = tf.layers.dense({ units: 5, activation: 'relu', kernelInitializer: 'heNormal' }).apply(input);
    const model = tf.model({
      inputs: input,
      outputs: tf.layers.dense({ units: 3 }).apply(hidden) as tf.SymbolicTensor,
    });
    const written = model.toJSON(null, false) as unknown as Record<string, unknown>;
    const text = JSON.parse(JSON.stringify(written)) as Record<string, unknown>;
    for (const json of [text, { modelTopology: text, format: 'layers-model' }, { model_config: text }]) {
      const again = await modelFromTopology(canonicalTopology(json));
      expect(again.countParams()).toBe(43);
    }
    const sequential = tf.sequential({
      layers: [tf.layers.dense({ units: 2, inputShape: [3], activation: 'softmax' })],
    });
    const twin = await modelFromTopology(canonicalTopology(JSON.parse(JSON.stringify(sequential.toJSON(null, false)))));
    expect(twin.countParams()).toBe(8);
  });
});

describe('checkTopology', () => {
  const refusal = (change: (topology: Fixture) => void, name: FixtureName = 'keras2-functional') => {
    const topology = fixture(name);
    change(topology);
    try {
      checkTopology(topology);
    } catch (error) {
      return error as DownpourError;
    }
    throw new Error('It was accepted');
  };
  const inLayer = (index: number, key: string, value: unknown) => (topology: Fixture) => {
    topology.config.layers[index]!.config[key] = value;
  };

  it('names the field of an unknown layer, its class, and what is supported', () => {
    const error = refusal((topology) => (topology.config.layers[3]!.class_name = 'ConvLSTM2D'));
    expect(error).toMatchObject({ code: 'invalid-model', field: 'model.topology.config.layers[3].class_name' });
    expect(error.message).toContain('"ConvLSTM2D" is not supported. Supported: InputLayer, Dense, Conv2D');
  });

  it.each<[string, (topology: Fixture) => void, string, string]>([
    [
      'an unknown activation',
      inLayer(1, 'activation', 'sine'),
      'config.layers[1].config.activation',
      'Supported: linear, relu',
    ],
    [
      'a lambda',
      inLayer(1, 'activation', { class_name: '__lambda__' }),
      'config.layers[1].config.activation',
      '__lambda__',
    ],
    [
      'channels first',
      inLayer(1, 'data_format', 'channels_first'),
      'config.layers[1].config.data_format',
      'channels_last',
    ],
    ['grouped convolution', inLayer(1, 'groups', 2), 'config.layers[1].config.groups', 'Only 1'],
    [
      'a constraint',
      inLayer(1, 'kernel_constraint', { class_name: 'MaxNorm' }),
      'config.layers[1].config.kernel_constraint',
      'Constraints',
    ],
    [
      'an unknown initializer',
      inLayer(5, 'kernel_initializer', 'magic'),
      'config.layers[5].config.kernel_initializer',
      'GlorotUniform',
    ],
    [
      'half precision',
      inLayer(5, 'dtype', { class_name: 'DTypePolicy', config: { name: 'mixed_float16' } }),
      'config.layers[5].config.dtype',
      'float32',
    ],
    [
      'an activity regularizer',
      inLayer(5, 'activity_regularizer', { class_name: 'L2' }),
      'config.layers[5].config.activity_regularizer',
      'not supported',
    ],
    [
      'an open input size',
      inLayer(0, 'batch_input_shape', [null, null, 28, 1]),
      'config.layers[0].config.batch_input_shape',
      '[null, 28, 28, 1]',
    ],
    ['a name twice', inLayer(5, 'name', 'conv2d'), 'config.layers[5].config.name', 'already the name of layer 1'],
    [
      'an output twice',
      (topology) =>
        (topology.config['output_layers'] = [
          ['dense', 0, 0],
          ['dense', 0, 0],
        ]),
      'config.output_layers',
      'Name each output once',
    ],
    ['no output', (topology) => (topology.config['output_layers'] = []), 'config.output_layers', 'at least one output'],
    [
      'an output of a layer that is not there',
      (topology) => (topology.config['output_layers'] = [['nowhere', 0, 0]]),
      'config.output_layers',
      'no layer named "nowhere"',
    ],
    [
      'two inputs',
      (topology) =>
        (topology.config['input_layers'] = [
          ['pixels', 0, 0],
          ['dense', 0, 0],
        ]),
      'config.input_layers',
      'one input',
    ],
    [
      'a loss weight too many',
      (topology) => (topology['loss_weights'] = [1, 0.3]),
      'loss_weights',
      'each of the 1 outputs',
    ],
    ['no layers', (topology) => (topology.config.layers = []), 'config.layers', 'at least one'],
    [
      'another class of model',
      (topology) => (topology.class_name = 'MyModel'),
      'class_name',
      'Sequential or Functional',
    ],
    [
      'layers that are no list',
      (topology) => (topology.config.layers = {} as never),
      'config.layers',
      'Expected a list',
    ],
    [
      'a layer without config',
      (topology) => delete (topology.config.layers[1] as Partial<Fixture>).config,
      'config.layers[1].config',
      'Expected an object',
    ],
    [
      'an unknown neighbour',
      (topology) => Object.assign(topology.config.layers[3]!, { inbound_nodes: [[['ghost', 0, 0, {}]]] }),
      'config.layers[3].inbound_nodes',
      '"ghost"',
    ],
  ])('refuses %s', (_, change, field, words) => {
    const error = refusal(change);
    expect(error).toMatchObject({ code: 'invalid-model', field: `model.topology.${field}` });
    expect(error.message).toContain(words);
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['RandomFlip', { mode: 'horizontal' }, 'class_name', 'give the job `augment`'],
    ['Masking', { mask_value: 0 }, 'class_name', 'Masks are not supported'],
    ['Bidirectional', {}, 'class_name', 'use the inner layer by itself'],
    ['Functional', {}, 'class_name', 'Models inside models are not supported'],
    ['Embedding', { input_dim: 5, output_dim: 2, mask_zero: true }, 'config.mask_zero', 'set it to false'],
    ['LSTM', { units: 4, dropout: 0.2 }, 'config.dropout', 'put a Dropout layer before or after'],
    ['SimpleRNN', { units: 4, recurrent_dropout: 0.2 }, 'config.recurrent_dropout', 'Only 0'],
    ['LSTM', { units: 4, stateful: true }, 'config.stateful', 'stateful true is not supported'],
    ['LSTM', { units: 4, return_state: true }, 'config.return_state', 'return_state true is not supported'],
    ['GRU', { units: 4, reset_after: true }, 'config.reset_after', 'reset_after=False'],
    ['Conv1D', { filters: 2, kernel_size: [3], padding: 'causal' }, 'config.padding', 'causal'],
    ['Dense', { units: 2, activity_regularizer: 'l2' }, 'config.activity_regularizer', 'kernel_regularizer'],
  ])('refuses a layer %s with %j in one sentence', (class_name, config, field, words) => {
    const error = refusal((topology) => {
      topology.class_name = 'Sequential';
      topology.config.layers = [{ class_name, config: { name: 'a', ...config } }];
    });
    expect(error).toMatchObject({ code: 'invalid-model', field: `model.topology.config.layers[0].${field}` });
    expect(error.message).toContain(words);
  });

  it('refuses models of two inputs, before a job is made', () => {
    const error = refusal((topology) => {
      topology.config['input_layers'] = [
        ['input_1', 0, 0],
        ['input_2', 0, 0],
      ];
    });
    expect(error).toMatchObject({ code: 'invalid-model', field: 'model.topology.config.input_layers' });
    expect(error.message).toContain('Models with one input are supported, this one has 2.');
  });

  it.each([null, 7, 'model', [], {}])('refuses %j', (json) => {
    expect(() => checkTopology(json)).toThrow('model.topology');
  });

  it('loads no TensorFlow', async () => {
    const { execFileSync } = await import('node:child_process');
    const script = `await import('@downpour/models/topology'); const { createRequire } = await import('node:module');
      console.log(Object.keys(createRequire('/').cache).filter((path) => path.includes('tensorflow')).length)`;
    const args = ['--conditions=@downpour/source', '--no-warnings', '--input-type=module', '--eval', script];
    expect(
      execFileSync(process.execPath, args, { cwd: import.meta.dirname })
        .toString()
        .trim(),
    ).toBe('0');
  });
});
