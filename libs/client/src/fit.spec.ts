import { describe, expect, it } from 'vitest';
import { lossOf, metricsOf, updateRuleOf } from './compiled.ts';
import type { LayersModelLike, TensorFlow } from './tensorflow.ts';
import { datasetUpload } from './training-data.ts';

const optimizer = (name: string, config: object) => ({ getClassName: () => name, getConfig: () => config });
const model = (part: Partial<LayersModelLike> = {}, units = 3): LayersModelLike => ({
  inputs: [{ shape: [null, 2] }],
  outputs: [{ shape: [null, units] }],
  weights: [],
  toJSON: () => ({}),
  compile: () => undefined,
  ...part,
});
const softmax = () => undefined;
const tf = { losses: { softmaxCrossEntropy: softmax } } as unknown as TensorFlow;

describe('what a model was compiled with', () => {
  it.each([
    ['SGD', { learningRate: 0.1 }, { kind: 'sgd', learningRate: 0.1 }],
    [
      'Momentum',
      { learningRate: 0.1, momentum: 0.8, useNesterov: true },
      { kind: 'momentum', learningRate: 0.1, momentum: 0.8, nesterov: true },
    ],
    ['Adagrad', { learningRate: 0.1, initialAccumulatorValue: 0.2 }, { kind: 'adagrad', initialAccumulator: 0.2 }],
    [
      'RMSProp',
      { learningRate: 0.1, decay: 0.8, momentum: 0.5, epsilon: 1e-6, centered: false },
      { kind: 'rmsprop', decay: 0.8, momentum: 0.5, epsilon: 1e-6 },
    ],
    ['Adam', { learningRate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 1e-6 }, { kind: 'adam', beta1: 0.8, beta2: 0.9 }],
  ])('%s becomes an update rule', (name, config, rule) => {
    expect(updateRuleOf(optimizer(name, config))).toMatchObject(rule);
  });

  it.each([
    ['Adamax', {}, /no update rule for the optimizer Adamax: compile with/],
    ['RMSProp', { centered: true }, /no centered RMSProp/],
    ['SGD', { learningRate: -1 }, /cannot do SGD with learningRate/],
  ])('%s %j is refused', (name, config, message) => {
    expect(() => updateRuleOf(optimizer(name, config))).toThrow(message);
  });

  it('takes names of optimizers at the rates that tfjs gives them', () => {
    expect(updateRuleOf('sgd')).toEqual({ kind: 'sgd', learningRate: 0.01 });
    expect(() => updateRuleOf('ftrl')).toThrow('ftrl');
  });

  it('takes losses and metrics by name, losses of tf.losses by themselves, and refuses functions', () => {
    expect(lossOf(model({ loss: 'sparseCategoricalCrossentropy' }), tf)).toBe('softmaxCrossEntropy');
    expect(lossOf(model({ loss: ['meanSquaredError'] }), tf)).toBe('meanSquaredError');
    expect(lossOf(model({ loss: softmax }), tf)).toBe('softmaxCrossEntropy');
    expect(lossOf(model(), tf)).toBeNull();
    expect(() => lossOf(model({ loss: () => 0 }), tf)).toThrow('a function of its own');
    expect(() => lossOf(model({ loss: 'meanAbsoluteError' }), tf)).toThrow('meanAbsoluteError');
    expect(metricsOf(model({ metrics: ['acc', 'mae', 'accuracy'] }))).toEqual(['accuracy', 'meanAbsoluteError']);
    expect(() => metricsOf(model({ metrics: ['cosine'] }))).toThrow('cannot tell cosine');
  });
});

describe('examples', () => {
  const xs = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const upload = (ys: unknown, options: object = {}, units = 3, given: unknown = xs) =>
    datasetUpload(model({}, units), { xs: given as never, ys: ys as never }, 'softmaxCrossEntropy', {
      name: 'a',
      ...options,
    });
  const header = async (blob: Blob | undefined): Promise<string> =>
    (await blob!.slice(10, 128).text()).split('\n')[0]!.trim();
  const values = async (blob: Blob | undefined): Promise<number[]> => [
    ...new Int32Array(await blob!.slice(128).arrayBuffer()),
  ];

  it('become .npy files; one-hot rows become classes, and the model says how many there are', async () => {
    const { spec, files } = await upload(Uint8Array.from([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0]));
    expect(spec).toEqual({ name: 'a', format: 'numpy', labelKind: 'class', classes: 3 });
    expect(await header(files['train-x'])).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }");
    expect(await header(files['train-y'])).toBe("{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }");
    expect(await values(files['train-y'])).toEqual([0, 1, 0, 1]);
    expect(files['test-x']).toBeUndefined();
  });

  it('are held out from the end', async () => {
    const { files } = await upload(Int32Array.from([0, 1, 2, 1]), { validationSplit: 0.25 });
    expect([await values(files['train-y']), await values(files['test-y'])]).toEqual([[0, 1, 2], [1]]);
    expect(await header(files['test-x'])).toContain('(1, 2)');
  });

  it.each([
    ['another number of labels', Int32Array.from([0, 1, 2]), /no whole number for each example/],
    ['labels that are no classes', Float32Array.from([0, 1, 0.5, 1]), /Row 2 of dataset.ys is 0.5/],
    [
      'rows that are not one-hot',
      Float32Array.from([1, 0, 0, 0, 1, 0, 0.5, 0.5, 0, 1, 0, 0]),
      /Row 2 of dataset.ys is not one-hot/,
    ],
    ['rows of another width', new Float32Array(8), /has 2 numbers for each example, the model has 3 outputs/],
    ['a list', [0, 1, 2, 1], /should be a tensor or a typed array/],
    ['nothing', new Float32Array(0), /dataset.ys is empty/],
  ])('with %s are refused', async (_what, ys, message) => {
    await expect(upload(ys)).rejects.toThrow(message);
  });

  it('that do not fit the model are refused', async () => {
    const tensor = {
      shape: [4, 3],
      dtype: 'float32',
      data: () => Promise.resolve(new Float32Array(12)),
      dispose: () => undefined,
    };
    await expect(upload(Int32Array.from([0, 1, 2, 1]), {}, 3, tensor)).rejects.toThrow(
      /reads examples of shape \[2\], .* \[3\]/,
    );
    await expect(upload(Int32Array.from([0, 1, 2, 1]), { validationSplit: 1 })).rejects.toThrow('validationSplit');
  });
});
