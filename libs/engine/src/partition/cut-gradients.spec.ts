import type { Topology } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { CutModel } from '../testing/cut-models.ts';
import { randomModel } from '../testing/random-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { twoHeaded } from '../testing/two-headed.ts';
import { batchOf, IMAGES, layer, numbers, ROWS, stack } from '../testing/small-models.ts';

/** Of each kind. `RANDOM_MODELS=500 vitest run cut-gradients` looks further. */
const MODELS = Number(process.env['RANDOM_MODELS'] ?? 3);

describe.each(['rows', 'images', 'sequences'] as const)('Random models of %s, cut at random', (kind) => {
  const seeds = Array.from({ length: MODELS }, (_, i) => i + 1);

  it.each(seeds)('have the gradient of the uncut model (%i)', { timeout: 60_000 }, async (seed) => {
    const { dataset, topology, text } = randomModel(seed, kind);
    const { tensorflow, prepared, eager, dispose } = await twins(topology, dataset);
    const next = numbers(seed);
    const partitions = 2 + Math.floor(next() * 3);
    const layers = topology.config.layers.slice(1).map(({ config }) => config.name);
    const assignment = Object.fromEntries(layers.map((layer) => [layer, Math.floor(next() * partitions)]));
    const parameters = prepared.initial.map((value) => value + 0.2 * next());
    const batch = batchOf(dataset, 9, seed);
    const expected = eager.step(parameters, batch, seed);
    const message = `${text}, cut ${Object.values(assignment).join('')}`;
    for (const compile of [true, false]) {
      const cut = await CutModel.open(tensorflow, prepared, dataset, assignment, { compile });
      for (let again = 0; again < 2; again++) {
        const step = cut.step(parameters, batch, seed);
        expect(difference(expected.gradient, step.gradient), message).toBeLessThan(1e-5);
        expect(Math.abs(step.loss - expected.loss), message).toBeLessThan(1e-5 * (1 + Math.abs(expected.loss)));
        expect(step.correct).toBe(expected.correct);
      }
      expect(cut.evaluate(parameters, batch).lossSum).toBeCloseTo(eager.evaluate(parameters, batch).lossSum, 4);
      expect(cut.runners.map(({ fellBack }) => fellBack)).toEqual(cut.runners.map(() => null));
      cut.dispose();
    }
    dispose();
  });
});

describe('A model that is cut', () => {
  const deep = stack(ROWS, [
    layer('Dense', { units: 17, activation: 'relu' }, 'a'),
    layer('Dense', { units: 9, kernel_regularizer: { class_name: 'L2', config: { l2: 0.1 } } }, 'b'),
  ]);
  const halves = { a: 0, b: 1, flat: 1, output: 0 };

  it('sees the same changed images in every segment that reads them', async () => {
    const conv = (name: string) => ({ ...layer('Conv2D', { filters: 2, kernel_size: [3, 3] }, name), from: ['input'] });
    const nodes = [
      { ...layer('InputLayer', { batch_input_shape: [null, 6, 6, 2] }, 'input'), from: [] as string[] },
      conv('a'),
      conv('b'),
      { ...layer('Add', {}, 'sum'), from: ['a', 'b'] },
      { ...layer('Flatten', {}, 'flat'), from: ['sum'] },
      { ...layer('Dense', { units: 3, activation: 'softmax' }, 'output'), from: ['flat'] },
    ].map(({ from, ...node }) => ({
      ...node,
      name: node.config.name,
      inbound_nodes:
        from.length === 0 ? [] : [from.map((name) => [name, 0, 0, {}] as [string, 0, 0, Record<string, never>])],
    }));
    const branches: Topology = {
      class_name: 'Functional',
      config: { name: 'm', layers: nodes, input_layers: [['input', 0, 0]], output_layers: [['output', 0, 0]] },
      keras_version: '2.15.0',
      backend: 'tensorflow',
    };
    const objective = { augment: { crop: 2, flip: true } };
    const { tensorflow, prepared, eager, dispose } = await twins(branches, IMAGES, undefined, { objective });
    const cut = await CutModel.open(
      tensorflow,
      prepared,
      IMAGES,
      { a: 0, b: 1, sum: 1, flat: 1, output: 1 },
      { objective },
    );
    const batch = batchOf(IMAGES, 8);
    const { gradient } = eager.step(prepared.initial, batch, 5);
    expect(difference(gradient, cut.step(prepared.initial, batch, 5).gradient)).toBeLessThan(1e-5);
    cut.dispose();
    dispose();
  });

  it.each([true, false])(
    'has the gradient of the whole batch in several micro-batches (compiled: %s)',
    async (compile) => {
      const { tensorflow, prepared, eager, dispose } = await twins(deep, ROWS);
      const cut = await CutModel.open(tensorflow, prepared, ROWS, halves, { compile });
      expect(cut.segments.map(({ partition, level }) => [partition, level])).toEqual([[0, 0], [1, 1], [0, 2]]); // prettier-ignore
      const batch = batchOf(ROWS, 11);
      const expected = eager.step(prepared.initial, batch, 1);
      // 4, 4 and 3 rows.
      const step = cut.step(prepared.initial, batch, 1, 4);
      expect(difference(expected.gradient, step.gradient)).toBeLessThan(1e-5);
      expect(step.loss).toBeCloseTo(expected.loss, 5);
      expect(step.correct).toBe(expected.correct);
      cut.dispose();
      dispose();
    },
  );

  it('drops what the uncut model drops, and weighs its outputs as that does', async () => {
    const topology = apart(twoHeaded(ROWS, [1, 0.3]));
    const { tensorflow, prepared, eager, dispose } = await twins(topology, ROWS);
    const assignment = { trunk: 0, side: 1, shared: 1, drop: 0, main: 2, auxiliary: 1 };
    const cut = await CutModel.open(tensorflow, prepared, ROWS, assignment);
    const batch = batchOf(ROWS, 8);
    const steps = [1, 2].map((seed) => {
      const expected = eager.step(prepared.initial, batch, seed);
      const step = cut.step(prepared.initial, batch, seed);
      expect(difference(expected.gradient, step.gradient)).toBeLessThan(1e-5);
      expect(step.loss).toBeCloseTo(expected.loss, 5);
      expect(step.correct).toBe(expected.correct);
      return step.loss;
    });
    expect(steps[0]).not.toBe(steps[1]);
    expect(cut.evaluate(prepared.initial, batch).lossSum).toBeCloseTo(
      eager.evaluate(prepared.initial, batch).lossSum,
      4,
    );
    cut.dispose();
    dispose();
  });

  it('leaves no tensor behind in 100 steps, nor after steps that were given up', async () => {
    const { tensorflow, prepared, dispose } = await twins(deep, ROWS);
    const cut = await CutModel.open(tensorflow, prepared, ROWS, halves);
    const batch = batchOf(ROWS, 8);
    cut.step(prepared.initial, batch, 0, 3);
    const { tf, backend } = tensorflow;
    const count = () => [tf.memory().numTensors, tf.memory().numDataBuffers, backend.binding.getNumOfTensors()];
    const before = count();
    for (let step = 0; step < 100; step++) cut.step(prepared.initial, batch, step, 3);
    expect(count()).toEqual(before);
    const [first] = cut.runners;
    const rows = { parameters: prepared.initial, batch: batchOf(ROWS, 3), inputs: [], weight: 1, seed: 0 };
    for (let microBatch = 0; microBatch < 3; microBatch++) first!.forward(0, microBatch, rows);
    first!.forward(0, 0, rows);
    expect(first!.kept).toBe(3);
    expect(count()).not.toEqual(before);
    first!.forget();
    expect(count()).toEqual(before);
    cut.dispose();
    dispose();
  });
});

/** Without its shared layer: the auxiliary output has the layer for itself, the main one reads the trunk. */
function apart(topology: Topology): Topology {
  const from = (name: string): [[[string, number, number, Record<string, never>]]] => [[[name, 0, 0, {}]]];
  const layers = topology.config.layers.map((each) => {
    if (each.name === 'shared') return { ...each, inbound_nodes: from('side') };
    return each.name === 'main' ? { ...each, inbound_nodes: from('trunk') } : each;
  });
  return { ...topology, config: { ...topology.config, layers } };
}
