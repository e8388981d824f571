import type { PartitionsSpec } from '@downpour/contracts';
import { prepareModel } from '@downpour/models';
import { segmentsOf, type Topology } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { CutModel } from '../testing/cut-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, IMAGES, layer, ROWS, stack } from '../testing/small-models.ts';
import { loadTensorFlow } from '../tensorflow/load.ts';
import { cutPrepared } from './cut-prepared.ts';

const conv = (name: string, filters = 8) =>
  layer('Conv2D', { filters, kernel_size: [3, 3], padding: 'same', activation: 'tanh' }, name);
const chain = stack(IMAGES, [conv('one'), conv('two'), conv('three')]);

async function cutOf(topology: Topology, partitions: Partial<PartitionsSpec>) {
  const spec: PartitionsSpec = { count: 2, microBatches: 4, ...partitions };
  const prepared = await prepareModel({ model: { topology }, seed: 1, partitions: spec }, IMAGES);
  return { prepared, cut: await cutPrepared(await loadTensorFlow(), prepared, IMAGES, spec) };
}

describe('The cut of a prepared model', () => {
  it('measures every layer, and gives each partition a run of them', async () => {
    const { cut, prepared } = await cutOf(chain, {});
    expect(cut.nodes.map((node) => node.layer)).toEqual(['one', 'two', 'three', 'flat', 'output']);
    expect(cut.nodes.every(({ costMs }) => costMs > 0)).toBe(true);
    expect(cut.nodes.map(({ outputBytes }) => outputBytes)).toEqual([1152, 1152, 1152, 1152, 12]);
    expect(cut.nodes.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(prepared.layout.length);
    const partitions = cut.nodes.map(({ partition }) => partition);
    expect(partitions).toEqual([...partitions].sort());
    expect(new Set(partitions).size).toBe(2);
    expect(cut.variables).toHaveLength(prepared.layout.variables.length);
  });

  it('follows devices, and finds places for the others', async () => {
    const { cut } = await cutOf(chain, { count: 3, devices: { 't*': '/job:worker/task:2', one: 'partition:0' } });
    const by = Object.fromEntries(cut.nodes.map(({ layer, partition }) => [layer, partition]));
    expect(by).toMatchObject({ one: 0, two: 2, three: 2, output: 1 });
  });

  it.each<[string, Partial<PartitionsSpec>, string]>([
    ['a device that does not exist', { devices: { one: 2 } }, 'There is no device 2: the partitions are 0 to 1'],
    ['a name of no layer', { devices: { four: 1 } }, 'No layer is named "four" or fits it. The layers are one, two'],
    ['more partitions than layers', { count: 5 }, '4 of them with parameters, too few for 5 partitions'],
    ['a partition that is left without layers', { devices: { '*': 0 } }, 'Partition 1 is left without layers'],
    ['one that is left without parameters', { devices: { flat: 1, '*': 0 } }, 'Partition 1 is left without parameters'],
    ['a split that does not divide', { split: { one: 3 } }, 'has 8 filters, which is no multiple of 3'],
    ['a split of softmax', { split: { output: 3 } }, 'ends in softmax'],
    ['a split of another layer', { split: { flat: 2 } }, 'is a Flatten; Dense and Conv2D'],
  ])('is refused for %s', async (_, partitions, message) => {
    await expect(cutOf(chain, partitions)).rejects.toThrow(message);
  });
});

describe('A wide layer that is split', () => {
  it('is the same function, with parameters of its parts', async () => {
    const { prepared, cut } = await cutOf(chain, { count: 2, split: { 't*': 2 }, devices: { '*_part_1': 1, '*': 0 } });
    expect(cut.nodes.filter(({ partition }) => partition === 1).map((node) => node.layer)).toEqual([
      'two_part_1',
      'three_part_1',
    ]);
    const { tensorflow, prepared: plain, eager, dispose } = await twins(chain, IMAGES);
    const whole = plain.initial;
    const batch = batchOf(IMAGES, 6);
    const parameters = new Float32Array(prepared.layout.length);
    const places = partsOf(plain.layout.variables, prepared.layout.variables);
    places.forEach((place, i) => (parameters[i] = whole[place]!));
    const model = await CutModel.open(
      tensorflow,
      prepared,
      IMAGES,
      Object.fromEntries(cut.nodes.map(({ layer, partition }) => [layer, partition])),
    );
    const expected = eager.step(whole, batch, 1);
    const step = model.step(parameters, batch, 1);
    expect(step.loss).toBeCloseTo(expected.loss, 5);
    expect(
      difference(
        Float32Array.from(places, (place) => expected.gradient[place]!),
        step.gradient,
      ),
    ).toBeLessThan(1e-5);
    model.dispose();
    dispose();
  });
});

/** Of each parameter of the split model: where it stands in the whole one. */
function partsOf(
  whole: readonly { name: string; shape: number[]; offset: number }[],
  split: readonly { name: string; shape: number[]; length: number }[],
): number[] {
  return split.flatMap(({ name, shape, length }) => {
    const [layerName, variable] = name.split('/') as [string, string];
    const [base, part] = layerName.split('_part_') as [string, string | undefined];
    const origin = whole.find((each) => each.name === `${base}/${variable}`)!;
    const [width, all] = [shape.at(-1)!, origin.shape.at(-1)!];
    return Array.from(
      { length },
      (_, i) => origin.offset + Math.floor(i / width) * all + (i % width) + Number(part ?? 0) * width,
    );
  });
}

describe('A model that shares a layer', () => {
  it('is not cut, and says why', async () => {
    const topology = stack(ROWS, [layer('Dense', { units: 4 }, 'twice')]);
    expect(() => segmentsOf({ ...topology, ...sharing }, {})).toThrow('is used at 2 places');
  });
});

const call = (name: string, node = 0): [string, number, number, Record<string, never>][] => [[name, node, 0, {}]];
const sharing: Pick<Topology, 'class_name' | 'config'> = {
  class_name: 'Functional',
  config: {
    name: 'sharing',
    layers: [
      { class_name: 'InputLayer', name: 'in', config: { name: 'in', batch_input_shape: [null, 4] }, inbound_nodes: [] },
      { ...layer('Dense', { units: 4 }, 'twice'), name: 'twice', inbound_nodes: [call('in'), call('twice')] },
    ],
    input_layers: [['in', 0, 0]],
    output_layers: [['twice', 1, 0]],
  },
};
