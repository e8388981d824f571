import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import type { LayersModel } from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelFromTopology } from '../build-model.ts';
import { mainTopology } from '../topology/main-topology.ts';
import '../seeded-dropout.ts';
import { modelTopology } from '../topology/model-topology.ts';
import { trainingTopology } from '../topology/training-topology.ts';

const IMAGENET: DatasetSummary = {
  trainExamples: 1_200_000,
  testExamples: 50_000,
  featureShape: [224, 224, 3],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 1000,
  labelWidth: 1,
};

function build(model: ZooModel, dataset: DatasetSummary, which: 'whole' | 'main' = 'whole'): Promise<LayersModel> {
  const whole = modelTopology(model, dataset);
  // The twin that is trained has the same variables, and does not draw them.
  return modelFromTopology(
    trainingTopology(which === 'main' ? mainTopology(whole) : whole, 'softmaxCrossEntropy').topology,
  );
}

const images = (height: number, width = height, channels = 3, classes = 10): DatasetSummary => ({
  ...IMAGENET,
  featureShape: [height, width, channels],
  classes,
});

/** Parameters of the layers whose names begin so, by kind of weight. */
function countOf(model: LayersModel, prefix: string): { kernels: number; all: number } {
  const layers = model.layers.filter(({ name }) => name.startsWith(prefix));
  const weights = layers.flatMap((layer) => layer.weights);
  const size = (shape: (number | null)[]) => shape.reduce((product: number, n) => product * n!, 1);
  const all = weights.reduce((sum, { shape }) => sum + size(shape), 0);
  return { kernels: weights.reduce((sum, { shape }) => sum + (shape.length > 1 ? size(shape) : 0), 0), all };
}

/**
 * Table 1: row (and how the names of its layers begin), output, parameters as the paper prints them (K = 1024, without biases), what they are without and with biases,
 * and by how many per cent that differs from the print. Where it does by more than rounding, the paper does not agree with itself: its filters give what stands here, and so (but for 5a and conv)
 * does its column of operations: 100 M for 4c are 509,440 * 14 * 14. Its 2.7K and 34 M for the first convolution are those of a pair of 7x1 and 1x7 for each colour.
 */
const TABLE_1: [row: string, layer: string, output: number[], paper: number, kernels: number, all: number, percent: number][] = [
  ['conv_1', 'conv_1', [112, 112, 64], 2.7, 9_408, 9_472, 240],
  ['conv_2', 'norm_2', [56, 56, 192], 112, 114_688, 114_944, 0],
  ['inception_3a', 'inception_3a_output', [28, 28, 256], 159, 163_328, 163_696, 0],
  ['inception_3b', 'inception_3b_output', [28, 28, 480], 380, 388_096, 388_736, 0],
  ['inception_4a', 'inception_4a_output', [14, 14, 512], 364, 375_552, 376_176, 1],
  ['inception_4b', 'inception_4b_output', [14, 14, 512], 437, 448_512, 449_160, 0],
  ['inception_4c', 'inception_4c_output', [14, 14, 512], 463, 509_440, 510_104, 7],
  ['inception_4d', 'inception_4d_output', [14, 14, 528], 580, 604_672, 605_376, 2],
  ['inception_4e', 'inception_4e_output', [14, 14, 832], 840, 867_328, 868_352, 1],
  ['inception_5a', 'inception_5a_output', [7, 7, 832], 1072, 1_042_432, 1_043_456, -5],
  ['inception_5b', 'inception_5b_output', [7, 7, 1024], 1388, 1_442_816, 1_444_080, 2],
  ['probabilities', 'probabilities', [1000], 1000, 1_024_000, 1_025_000, 0],
]; // prettier-ignore

describe('GoogLeNet for 224x224', () => {
  let model: LayersModel;
  beforeAll(async () => {
    model = await build({ zoo: 'googlenet' }, IMAGENET);
  }, 60_000);
  afterAll(() => model.dispose());

  it.each(TABLE_1)('has %s as in the table', (row, layer, output, paper, kernels, all, percent) => {
    expect(model.getLayer(layer).outputShape).toEqual([null, ...output]);
    expect(countOf(model, row)).toEqual({ kernels, all });
    expect(Math.round(100 * (kernels / 1024 / paper - 1))).toBeCloseTo(percent, 9);
  });

  it.each<[string, number[]]>([
    ['pool_1', [56, 56, 64]],
    ['pool_2', [28, 28, 192]],
    ['pool_3', [14, 14, 480]],
    ['pool_4', [7, 7, 832]],
    ['average_pool', [1024]],
    // "an output of 4x4x512 for the (4a), and 4x4x528 for the (4d) stage"
    ['auxiliary_1_pool', [4, 4, 512]],
    ['auxiliary_2_pool', [4, 4, 528]],
  ])('has the output of %s as in the paper', (layer, output) => {
    expect(model.getLayer(layer).outputShape).toEqual([null, ...output]);
  });

  it('has 13,378,280 parameters in all, 6,998,552 without the auxiliary classifiers', async () => {
    expect(countOf(model, 'auxiliary_1').all).toBe(65_664 + 2_098_176 + 1_025_000);
    expect(countOf(model, 'auxiliary_2').all).toBe(67_712 + 2_098_176 + 1_025_000);
    expect(model.countParams()).toBe(13_378_280);
    const rows = TABLE_1.reduce((sum, [row]) => sum + countOf(model, row).all, 0);
    expect(rows).toBe(6_998_552);
    const alone = await build({ zoo: 'googlenet' }, IMAGENET, 'main');
    expect(alone.countParams()).toBe(6_998_552);
    alone.dispose();
  });

  it('weighs each auxiliary loss by 0.3 and drops 40 % and 70 %', () => {
    const { loss_weights: weights, config } = modelTopology({ zoo: 'googlenet' }, IMAGENET);
    expect(weights).toEqual([1, 0.3, 0.3]);
    const rates = config.layers.filter(({ class_name }) => class_name === 'Dropout');
    expect(Object.fromEntries(rates.map(({ config: { name, rate } }) => [name, rate]))).toEqual({
      dropout: 0.4,
      auxiliary_1_dropout: 0.7,
      auxiliary_2_dropout: 0.7,
    });
  });
});

describe('GoogLeNet for other images', () => {
  it.each<[ZooModel['zoo'], DatasetSummary, number]>([
    // Of the auxiliary classifiers' first dense layers, 128 * 1024 weights are left of 16 * 128 * 1024; the rest does not depend on the size.
    ['googlenet', images(32), 13_378_280 - 2 * 15 * 131_072 - 990 * 3 * 1024 - 990 * 3],
    ['googlenet', images(33, 47), 13_378_280 - 2 * 15 * 131_072 - 990 * 3 * 1024 - 990 * 3],
    ['googlenet', images(64, 64, 1), 13_378_280 - 2 * 15 * 131_072 - 990 * 3 * 1024 - 990 * 3 - 2 * 49 * 64],
    ['googlenet-small', images(32), 617_000],
    ['googlenet-small', images(64), 666_152],
    ['googlenet-small', images(28, 28, 1, 2), 611_032],
  ])('builds %s for %j', async (zoo, dataset, parameters) => {
    const model = await build({ zoo }, dataset);
    expect(model.outputs.map(({ shape }) => shape)).toEqual(
      Array.from({ length: zoo === 'googlenet' ? 3 : 2 }, () => [null, dataset.classes]),
    );
    expect(model.countParams()).toBe(parameters);
    model.dispose();
  });

  it('leaves the auxiliary classifiers out where they weigh nothing', () => {
    const topology = modelTopology({ zoo: 'googlenet', auxiliaryWeight: 0, dropout: 0.2 }, images(32));
    expect(topology.loss_weights).toBeUndefined();
    expect(topology.config.layers.filter(({ config }) => config.name.startsWith('auxiliary'))).toEqual([]);
    expect(topology).toEqual(mainTopology(topology));
  });

  it('refuses what is too small for its poolings', () => {
    expect(() => modelTopology({ zoo: 'googlenet' }, images(28))).toThrow('googlenet needs images of at least 32x32');
    expect(() => modelTopology({ zoo: 'googlenet-small' }, images(8))).toThrow('at least 16x16');
  });
});
