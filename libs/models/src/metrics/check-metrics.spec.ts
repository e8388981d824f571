import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { prepareModel } from '../prepare-model.ts';
import { metricIssues } from './check-metrics.ts';

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
type Asked = Partial<Pick<JobSpec, 'loss' | 'metrics' | 'topK' | 'stopAt' | 'earlyStopping'>>;

describe('What a job asks of its evaluations', () => {
  it.each<[Asked, DatasetSummary, string, string]>([
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
    expect(metricIssues(asked, dataset)).toEqual([{ field, message: expect.stringContaining(words) as string }]);
    await expect(prepareModel({ model: { zoo: 'mlp' }, seed: 1, ...asked }, dataset)).rejects.toMatchObject({
      code: 'invalid-model',
      field,
    });
  });

  it.each<[Asked, DatasetSummary]>([
    [{ metrics: ['accuracy', 'precision', 'recall', 'topK'], topK: 2 }, CLASSES],
    [{ metrics: ['meanSquaredError'], loss: 'meanSquaredError' }, CLASSES],
    [{ metrics: ['accuracy', 'meanSquaredError', 'meanAbsoluteError'] }, NUMBERS],
    [{ metrics: ['meanAbsoluteError'], stopAt: { metric: 'meanAbsoluteError', value: 20 } }, NUMBERS],
  ])('is taken where %j fits', (asked, dataset) => {
    expect(metricIssues(asked, dataset)).toEqual([]);
  });
});
