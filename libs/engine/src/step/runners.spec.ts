import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import { prepareModel } from '@downpour/models';
import type { LayerNode, Topology } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { sharedVector } from '../shared-vectors.ts';
import { batchOf, IMAGES, layer, numbers, ROWS, stack, WORDS } from '../testing/small-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { loadTensorFlow } from '../tensorflow/load.ts';

const PIXELS: DatasetSummary = { ...IMAGES, featureType: 'uint8' };
const conv = layer('Conv2D', { filters: 4, kernel_size: [3, 3], activation: 'relu' }, 'conv');

describe('A compiled step', () => {
  it('has the very bits of the step that runs op by op', async () => {
    const { prepared, eager, compiled, dispose } = await twins(
      stack(PIXELS, [conv, layer('MaxPooling2D', { pool_size: [2, 2] })]),
      PIXELS,
    );
    for (const seed of [1, 2, 3]) {
      const batch = batchOf(PIXELS, 16, seed);
      const graph = compiled.step(prepared.initial, batch, seed);
      expect(graph).toEqual(eager.step(prepared.initial, batch, seed));
    }
    dispose();
  });

  it.each<ZooModel>([
    { zoo: 'logistic' },
    { zoo: 'mlp', hiddenUnits: [32, 16], dropout: 0.3 },
    { zoo: 'mlp', hiddenUnits: [8], activation: 'tanh' },
    { zoo: 'lenet5' },
    { zoo: 'mnist-cnn', dropout: 0.2 },
  ])('has the very bits of op by op for %j', { timeout: 30_000 }, async (model) => {
    const mnist: DatasetSummary = { ...PIXELS, featureShape: [28, 28, 1], classes: 10 };
    const { topology } = await prepareModel({ model, seed: 1 }, mnist);
    const { prepared, eager, compiled, dispose } = await twins(topology, mnist);
    for (const count of [16, 5]) {
      const batch = batchOf(mnist, count);
      const result = compiled.step(prepared.initial, batch, 3);
      expect(differences(result.gradient, eager.step(prepared.initial, batch, 3).gradient)).toBe(0);
    }
    dispose();
  });

  it('writes its gradient where it is asked to, whatever memory that is', async () => {
    const { prepared, eager, compiled, dispose } = await twins(
      // Variables of 5, 20 and other odd lengths: most begin where TensorFlow can't write.
      stack(ROWS, [layer('Dense', { units: 5 }, 'a'), layer('BatchNormalization'), layer('Dense', { units: 7 }, 'b')]),
      ROWS,
    );
    const { length } = prepared.layout;
    const memories = {
      shared: sharedVector(length),
      'within shared': sharedVector(length + 16).subarray(16),
      'within shared, not aligned': sharedVector(length + 3).subarray(3),
      'WebAssembly memory': new Float32Array(
        new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer,
        64 * 5,
        length,
      ),
      ordinary: new Float32Array(length),
      'small shared': new Float32Array(new SharedArrayBuffer(length * 4)),
    };
    for (const seed of [1, 2]) {
      const batch = batchOf(ROWS, 6, seed);
      const expected = eager.step(prepared.initial, batch, seed).gradient;
      for (const [name, memory] of Object.entries(memories)) {
        memory.fill(NaN);
        expect(compiled.step(prepared.initial, batch, seed, memory).gradient).toBe(memory);
        expect(difference(expected, memory), name).toBeLessThan(1e-6);
      }
    }
    dispose();
  });

  it('divides bytes by 255', async () => {
    const { prepared, compiled, dispose } = await twins(stack(PIXELS, []), PIXELS);
    const bytes = batchOf(PIXELS, 4);
    const same = { ...bytes, features: Float32Array.from(bytes.features, (byte) => byte * Math.fround(1 / 255)) };
    expect(compiled.step(prepared.initial, same, 1)).toEqual(compiled.step(prepared.initial, bytes, 1));
    dispose();
  });

  it('is the mean over its batch, also of a short last one', async () => {
    const { prepared, compiled, dispose } = await twins(stack(ROWS, []), ROWS);
    const batch = batchOf(ROWS, 5);
    const whole = compiled.step(prepared.initial, batch, 1);
    const part = (begin: number, end: number) => ({
      count: end - begin,
      features: batch.features.slice(begin * 4, end * 4),
      labels: batch.labels.slice(begin, end),
    });
    const a = compiled.step(prepared.initial, part(0, 3), 1);
    const b = compiled.step(prepared.initial, part(3, 5), 1);
    expect((a.loss * 3 + b.loss * 2) / 5).toBeCloseTo(whole.loss, 5);
    expect(a.correct + b.correct).toBe(whole.correct);
    whole.gradient.forEach((value, i) => expect((a.gradient[i]! * 3 + b.gradient[i]! * 2) / 5).toBeCloseTo(value, 5));
    dispose();
  });

  it('drops by the seed of its step: another seed drops others, the same seed the same', async () => {
    const { prepared, eager, compiled, dispose } = await twins(
      stack(ROWS, [layer('Dense', { units: 64 }), layer('Dropout', { rate: 0.5 })]),
      ROWS,
    );
    const batch = batchOf(ROWS, 8);
    const [first, again, other] = [3, 3, 4].map((seed) => compiled.step(prepared.initial, batch, seed));
    expect(again).toEqual(first);
    expect(other!.loss).not.toBe(first!.loss);
    expect(eager.step(prepared.initial, batch, 3)).toEqual(first);
    // Nothing is dropped in evaluation.
    expect(compiled.evaluate(prepared.initial, batch)).toEqual(compiled.evaluate(prepared.initial, batch));
    dispose();
  });

  it.each([
    ['two dropout layers', 'second'],
    ['one that is used twice', 'first'],
  ])('gives %s masks of their own', async (_, second) => {
    const one: DatasetSummary = { ...ROWS, labelKind: 'number', classes: 0 };
    const names = [...new Set(['first', second])];
    const topology = chain(
      names.map((name) => layer('Dropout', { rate: 0.5 }, name)),
      ['first', second],
      layer('Dense', { units: 1 }, 'output'),
    );
    const { prepared, compiled, dispose } = await twins(topology, one);
    const count = 2000;
    const batch = { count, features: new Float32Array(count * 4).fill(1), labels: new Float32Array(count).fill(-1) };
    const { gradient } = compiled.step(new Float32Array(prepared.layout.length), batch, 9);
    // Twice the mean of what passes. Two masks: 4 of each fourth, mean 1. One mask twice: 4 of each second, mean 2.
    for (const value of gradient.subarray(0, 4)) expect(Math.abs(value - 2)).toBeLessThan(0.4);
    dispose();
  });

  it('reports what batch normalisation moves its averages by, as state', async () => {
    const momentum = 0.9;
    const { prepared, compiled, dispose } = await twins(
      stack(ROWS, [layer('BatchNormalization', { momentum }, 'norm')]),
      ROWS,
    );
    const { layout, initial } = prepared;
    const named = (name: string) => layout.variables.find((variable) => variable.name === name)!;
    const mean = named('norm/moving_mean');
    const variance = named('norm/moving_variance');
    expect([mean.trainable, variance.trainable]).toEqual([false, false]);
    expect(mean.offset).toBeGreaterThanOrEqual(layout.trainableLength);
    const batch = batchOf(ROWS, 10);
    const { gradient } = compiled.step(initial, batch, 1);
    for (let column = 0; column < 4; column++) {
      const values = Array.from({ length: 10 }, (_, row) => batch.features[row * 4 + column]!);
      const average = values.reduce((sum, value) => sum + value, 0) / 10;
      // New average = old + (1 - momentum) (value - old); the old mean is 0, the old variance 1.
      expect(gradient[mean.offset + column]).toBeCloseTo((1 - momentum) * average, 5);
      const spread = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / 10;
      const unbiased = [spread, (spread * 10) / 9].map((value) => (1 - momentum) * (value - 1));
      const delta = gradient[variance.offset + column]!;
      expect(Math.min(...unbiased.map((value) => Math.abs(value - delta)))).toBeLessThan(1e-5);
    }
    // Evaluation reads the averages: moving them changes it.
    const before = compiled.evaluate(initial, batch).lossSum;
    const moved = initial.map((value, i) => (i >= layout.trainableLength ? value + gradient[i]! : value));
    expect(compiled.evaluate(moved, batch).lossSum).not.toBe(before);
    dispose();
  });

  it('leaves no tensor behind in 600 steps, and no session when it is disposed', async () => {
    const { tf, backend } = await loadTensorFlow();
    const sessions = backend.binding.getNumOfSavedModels();
    const { prepared, compiled, dispose } = await twins(
      stack(IMAGES, [conv, layer('BatchNormalization'), layer('Dropout', { rate: 0.2 })]),
      IMAGES,
    );
    const batches = [8, 5].map((count) => batchOf(IMAGES, count));
    for (const batch of batches) compiled.step(prepared.initial, batch, 0);
    const count = () => [tf.memory().numTensors, tf.memory().numDataBuffers, backend.binding.getNumOfTensors()];
    const before = count();
    for (let step = 0; step < 600; step++) compiled.step(prepared.initial, batches[step % 10 === 9 ? 1 : 0]!, step);
    expect(count()).toEqual(before);
    expect(backend.binding.getNumOfSavedModels()).toBe(sessions + 2);
    dispose();
    expect(backend.binding.getNumOfSavedModels()).toBe(sessions);
  });

  it('gives the memory of dropped graphs back, however often sizes alternate', { timeout: 120_000 }, async () => {
    const { prepared, compiled, dispose } = await twins(stack(ROWS, [layer('Dense', { units: 300 })]), ROWS);
    const batches = Array.from({ length: 12 }, (_, i) => batchOf(ROWS, i + 1));
    const rounds = (count: number) => {
      for (let i = 0; i < count; i++) for (const batch of batches) compiled.step(prepared.initial, batch, 0);
      return process.memoryUsage.rss() / 1e6;
    };
    // Every step here makes a graph anew: 12 sizes in turns, room for 8.
    const before = rounds(4);
    const after = rounds(10);
    // Megabytes. 120 graphs that were kept would take 130; the allocator and the compiler of JavaScript have some of their own.
    expect(after - before).toBeLessThan(100);
    dispose();
  });

  it('keeps a bounded number of graphs, whatever sizes batches have', async () => {
    const { backend } = await loadTensorFlow();
    const sessions = backend.binding.getNumOfSavedModels();
    const { prepared, compiled, dispose } = await twins(stack(ROWS, []), ROWS);
    for (let count = 1; count <= 20; count++) compiled.step(prepared.initial, batchOf(ROWS, count), 0);
    expect(backend.binding.getNumOfSavedModels()).toBeLessThanOrEqual(sessions + 8);
    dispose();
  });
});

/** Input, dropout layers in the order in which they are used, output. */
function chain(dropouts: LayerNode[], uses: string[], output: LayerNode): Topology {
  const from = (name: string, node: number): [string, number, number, Record<string, never>][] => [[name, node, 0, {}]];
  const nodes = uses.map((name, i) => ({ name, call: uses.slice(0, i).filter((other) => other === name).length }));
  const sources = [{ name: 'input', call: 0 }, ...nodes];
  const inputs = (name: string) =>
    nodes.flatMap((node, i) => (node.name === name ? [from(sources[i]!.name, sources[i]!.call)] : []));
  const last = nodes.at(-1)!;
  return {
    class_name: 'Functional',
    config: {
      name: 'chain',
      layers: [
        { ...layer('InputLayer', { batch_input_shape: [null, 4] }, 'input'), name: 'input', inbound_nodes: [] },
        ...dropouts.map((node) => ({ ...node, name: node.config.name, inbound_nodes: inputs(node.config.name) })),
        { ...output, name: 'output', inbound_nodes: [from(last.name, last.call)] },
      ],
      input_layers: [['input', 0, 0]],
      output_layers: [['output', 0, 0]],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
}

/** How many elements differ. */
function differences(a: Float32Array, b: Float32Array): number {
  return a.reduce((count, value, i) => count + Number(value !== b[i]), 0);
}

/** Its types come with browsers' libraries, which this project does not use. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (options: { initial: number; maximum: number; shared: boolean }) => { buffer: SharedArrayBuffer };
  };
};

describe('Regularisers', () => {
  const strength = { l1: 0.03, l2: 0.05 };
  const regularizer = { class_name: 'L1L2', config: strength };

  it('are part of the loss and of the gradient, of kernels and biases, but not of an evaluation', async () => {
    const layers = (config: Record<string, unknown>) =>
      stack(ROWS, [layer('Dense', { units: 5, activation: 'tanh', ...config }, 'hidden')]);
    const with_ = await twins(layers({ kernel_regularizer: regularizer, bias_regularizer: regularizer }), ROWS);
    const without = await twins(layers({}), ROWS);
    const { layout } = with_.prepared;
    const next = numbers(3);
    const parameters = Float32Array.from({ length: layout.length }, () => next() - 0.5);
    const batch = batchOf(ROWS, 8);
    const [a, b] = [with_, without].map(({ compiled }) => compiled.step(parameters, batch, 1));
    let penalty = 0;
    layout.variables.forEach(({ name, offset, length }) => {
      for (let i = offset; i < offset + length; i++) {
        const value = parameters[i]!;
        const regularised = name.startsWith('hidden/');
        if (regularised) penalty += strength.l1 * Math.abs(value) + strength.l2 * value * value;
        const slope = regularised ? strength.l1 * Math.sign(value) + 2 * strength.l2 * value : 0;
        expect(a!.gradient[i]! - b!.gradient[i]!).toBeCloseTo(slope, 5);
      }
    });
    expect(penalty).toBeGreaterThan(0.1);
    expect(a!.loss - b!.loss).toBeCloseTo(penalty, 5);
    const [c, d] = [with_, without].map(({ compiled }) => compiled.evaluate(parameters, batch));
    expect(c).toEqual(d);
    with_.dispose();
    without.dispose();
  });
});

describe('Looking up', () => {
  const words = stack(WORDS, [layer('Embedding', { input_dim: 7, output_dim: 2 }, 'table')]);

  it('reads bytes as the indices they are, and trains the rows that were looked up', async () => {
    const { prepared, compiled, dispose } = await twins(words, WORDS);
    const features = Uint8Array.of(0, 1, 2, 3, 6, 6);
    const { gradient } = compiled.step(prepared.initial, { count: 1, features, labels: Int32Array.of(1) }, 1);
    const rows = Array.from({ length: 7 }, (_, row) =>
      gradient.subarray(row * 2, row * 2 + 2).some((value) => value !== 0),
    );
    expect(rows).toEqual([true, true, true, true, false, false, true]);
    dispose();
  });

  it('beyond the table fails, and says which index', async () => {
    const { prepared, eager, compiled, dispose } = await twins(words, WORDS);
    const batch = { count: 1, features: Uint8Array.of(0, 1, 7, 3, 5, 6), labels: Int32Array.of(1) };
    expect(() => eager.step(prepared.initial, batch, 1)).toThrow('= 7 is not in [0, 7)');
    expect(() => compiled.step(prepared.initial, batch, 1)).toThrow('= 7 is not in [0, 7)');
    dispose();
  });
});

describe('Frozen batch normalisation', () => {
  it('goes by its moving averages in training too, and leaves them alone', async () => {
    const norm = layer('BatchNormalization', { trainable: false, epsilon: 1e-3 }, 'norm');
    const { prepared, compiled, dispose } = await twins(stack(ROWS, [norm]), ROWS);
    const { layout, initial } = prepared;
    const batch = batchOf(ROWS, 8);
    const { gradient, loss } = compiled.step(initial, batch, 1);
    expect(gradient.subarray(layout.trainableLength)).toEqual(new Float32Array(16));
    expect(loss).toBeCloseTo(compiled.evaluate(initial, batch).lossSum / 8, 5);
    dispose();
  });
});

describe('A prediction', () => {
  it('is of probabilities where the model ends in softmax, though logits are trained', async () => {
    const { prepared, eager, compiled, dispose } = await twins(stack(ROWS, [layer('Dropout', { rate: 0.5 })]), ROWS);
    const batch = batchOf(ROWS, 7);
    const predicted = compiled.predict(prepared.initial, batch);
    expect(difference(eager.predict(prepared.initial, batch), predicted)).toBeLessThan(1e-6);
    expect(predicted.length).toBe(7 * 3);
    for (let row = 0; row < 7; row++) {
      const answers = [...predicted.subarray(row * 3, row * 3 + 3)];
      expect(answers.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
    }
    const right = [...batch.labels].filter((label, row) => {
      const answers = [...predicted.subarray(row * 3, row * 3 + 3)];
      return answers.indexOf(Math.max(...answers)) === label;
    });
    expect(compiled.evaluate(prepared.initial, batch).correct).toBe(right.length);
    dispose();
  });
});

describe('Losses', () => {
  const last = (activation: string, loss?: 'softmaxCrossEntropy' | 'sigmoidCrossEntropy' | 'meanSquaredError') => {
    const topology = stack(ROWS, []);
    topology.config.layers.at(-1)!.config['activation'] = activation;
    return twins(topology, ROWS, loss);
  };

  it('are the same for a model that ends in softmax and one that puts out logits', async () => {
    const batch = batchOf(ROWS, 6);
    const softmax = await last('softmax');
    const logits = await last('linear');
    expect(softmax.compiled.step(softmax.prepared.initial, batch, 1)).toEqual(
      logits.compiled.step(logits.prepared.initial, batch, 1),
    );
    // Logits of hundreds: probabilities of exactly 0, whose logarithm would be infinite.
    const large = softmax.prepared.initial.map((value) => value * 1000);
    const { loss, gradient } = softmax.compiled.step(large, batch, 1);
    expect(loss).toBeGreaterThan(20);
    expect(Number.isFinite(loss) && gradient.every(Number.isFinite)).toBe(true);
    softmax.dispose();
    logits.dispose();
  });

  it('train one output for two classes by sigmoid cross-entropy', async () => {
    const two: DatasetSummary = { ...ROWS, classes: 2 };
    const topology = stack({ ...two, classes: 1 }, []);
    topology.config.layers.at(-1)!.config['activation'] = 'sigmoid';
    const { prepared, compiled, dispose } = await twins(topology, two, 'sigmoidCrossEntropy');
    const batch = batchOf(two, 40);
    const parameters = prepared.initial.slice();
    const first = compiled.step(parameters, batch, 0).loss;
    for (let step = 0; step < 300; step++)
      compiled.step(parameters, batch, step).gradient.forEach((value, i) => (parameters[i]! -= value));
    const { loss, correct } = compiled.step(parameters, batch, 0);
    expect(loss).toBeLessThan(first);
    expect(correct).toBeGreaterThan(20);
    dispose();
  });

  it('fit numbers by squared error', async () => {
    const numbersOnly: DatasetSummary = { ...ROWS, labelKind: 'number', classes: 0, labelWidth: 2 };
    const topology = stack({ ...ROWS, classes: 2 }, []);
    topology.config.layers.at(-1)!.config['activation'] = 'linear';
    const { prepared, compiled, dispose } = await twins(topology, numbersOnly);
    const batch = batchOf(numbersOnly, 30);
    // Labels that a linear model can meet: the sums of the first two and of the last two features.
    const x = batch.features;
    const labels = Float32Array.from(
      { length: 60 },
      (_, i) => x[(i >> 1) * 4 + (i % 2) * 2]! + x[(i >> 1) * 4 + (i % 2) * 2 + 1]!,
    );
    const parameters = prepared.initial.slice();
    for (let step = 0; step < 300; step++)
      compiled.step(parameters, { ...batch, labels }, step).gradient.forEach((value, i) => (parameters[i]! -= value));
    expect(compiled.evaluate(parameters, { ...batch, labels }).lossSum / 30).toBeLessThan(1e-4);
    dispose();
  });
});
