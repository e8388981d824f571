import type { DatasetSummary } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { prepareModel } from './prepare-model.ts';
import { fitIssues, type FitSpec } from './fit-issues.ts';

const CLASSES: DatasetSummary = {
  trainExamples: 10,
  testExamples: 0,
  featureShape: [4],
  featureType: 'float32',
  labelKind: 'class',
  classes: 3,
  labelWidth: 1,
};
const NUMBERS: DatasetSummary = { ...CLASSES, labelKind: 'number', classes: 0 };

describe('What a job says of its loss and its evaluations', () => {
  it.each<[FitSpec, DatasetSummary, string, string]>([
    [{ labelSmoothing: 0.1 }, NUMBERS, 'labelSmoothing', 'meanSquaredError has no labels to smooth'],
    [{ labelSmoothing: 0.1, loss: 'meanSquaredError' }, CLASSES, 'labelSmoothing', 'train with a cross-entropy'],
    [{ classWeights: [1, 2] }, CLASSES, 'classWeights', 'has 3 classes, not 2'],
    [{ classWeights: [1, 2, 3] }, NUMBERS, 'classWeights', 'numbers, not classes'],
    [{ metrics: ['precision'] }, NUMBERS, 'metrics', 'precision needs classes'],
    [{ metrics: ['topK'], topK: 2 }, NUMBERS, 'metrics', 'topK needs classes'],
    [{ metrics: ['topK'], topK: 3 }, CLASSES, 'topK', 'take at most 2'],
    [{ metrics: ['topK'], topK: 5 }, { ...CLASSES, classes: 2 }, 'topK', 'take accuracy'],
    [{ metrics: ['meanSquaredError'] }, CLASSES, 'metrics', 'meanSquaredError is of numbers'],
    [{ stopAt: { metric: 'accuracy', value: 0.5 } }, NUMBERS, 'stopAt.metric', 'stop at a loss'],
    [
      { earlyStopping: { metric: 'accuracy', patience: 1, minDelta: 0 } },
      NUMBERS,
      'earlyStopping.metric',
      'watch the loss',
    ],
    [{ metrics: ['recall'], stopAt: { metric: 'recall', value: 90 } }, CLASSES, 'stopAt.value', 'A recall is a share'],
  ])('is refused where %j does not fit, with a sentence', async (asked, dataset, field, words) => {
    expect(fitIssues(asked, dataset)).toEqual([{ field, message: expect.stringContaining(words) as string }]);
    await expect(prepareModel({ model: { zoo: 'mlp' }, seed: 1, ...asked }, dataset)).rejects.toMatchObject({
      code: 'invalid-model',
      field,
    });
  });

  it.each<[FitSpec, DatasetSummary]>([
    [{ labelSmoothing: 0.1, classWeights: [1, 0, 2] }, CLASSES],
    [{ labelSmoothing: 0.1, loss: 'sigmoidCrossEntropy' }, NUMBERS],
    [{ labelSmoothing: 0 }, NUMBERS],
    [{ metrics: ['accuracy', 'precision', 'recall', 'topK'], topK: 2 }, CLASSES],
    [{ metrics: ['meanSquaredError'], loss: 'meanSquaredError' }, CLASSES],
    [{ metrics: ['accuracy', 'meanSquaredError', 'meanAbsoluteError'] }, NUMBERS],
    [{ metrics: ['meanAbsoluteError'], stopAt: { metric: 'meanAbsoluteError', value: 20 } }, NUMBERS],
  ])('is taken where %j fits', (asked, dataset) => {
    expect(fitIssues(asked, dataset)).toEqual([]);
  });
});
