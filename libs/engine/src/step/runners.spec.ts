import type { DatasetSummary } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { batchOf, IMAGES, layer, ROWS, stack } from '../testing/small-models.ts';
import { twins } from '../testing/runners.ts';
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

  it('gives two dropout layers masks of their own', async () => {
    const one: DatasetSummary = { ...ROWS, labelKind: 'number', classes: 0 };
    const rate = 0.5;
    const topology = stack({ ...ROWS, classes: 1 }, [
      layer('Dropout', { rate }, 'first'),
      layer('Dropout', { rate }, 'second'),
    ]);
    topology.config.layers.at(-1)!.config['activation'] = 'linear';
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

  it('leaves no tensor behind in 200 steps, and no session when it is disposed', async () => {
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
    for (let step = 0; step < 200; step++) compiled.step(prepared.initial, batches[step % 10 === 9 ? 1 : 0]!, step);
    expect(count()).toEqual(before);
    expect(backend.binding.getNumOfSavedModels()).toBe(sessions + 2);
    dispose();
    expect(backend.binding.getNumOfSavedModels()).toBe(sessions);
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
