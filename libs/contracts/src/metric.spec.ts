import { describe, expect, it } from 'vitest';
import { evaluationSchema } from './job.ts';
import { jobSpecSchema } from './job-spec.ts';
import { metricOf } from './metric.ts';

const spec = (part: object) => jobSpecSchema.safeParse({ model: { zoo: 'mlp' }, dataset: 'mnist', ...part });

describe('a metric', () => {
  it('is read from evaluations, and those that were written before there were others have none', () => {
    const old = evaluationSchema.parse({ loss: 1, accuracy: 0.5, examples: 1, epoch: 1, at: '' });
    expect(['loss', 'accuracy', 'recall'].map((name) => metricOf(old, name as 'loss'))).toEqual([1, 0.5, null]);
    expect(metricOf({ ...old, metrics: { recall: 0.25 } }, 'recall')).toBe(0.25);
  });

  it.each([
    [{ earlyStopping: { metric: 'recall', patience: 2 } }, ['earlyStopping', 'metric']],
    [{ learningRateSchedule: { kind: 'reduceOnPlateau', metric: 'recall' } }, ['learningRateSchedule', 'metric']],
  ])('must be evaluated to be watched: %j', (part, path) => {
    expect(spec(part).error?.issues).toMatchObject([{ path }]);
    expect(spec({ ...part, metrics: ['recall'] }).success).toBe(true);
  });

  it('must be evaluated to be stopped at', () => {
    const stopAt = { metric: 'recall', value: 0.9 };
    expect(spec({ stopAt }).error?.issues).toMatchObject([{ path: ['stopAt', 'metric'] }]);
    expect(spec({ stopAt, metrics: ['recall'] }).success).toBe(true);
    expect(spec({ stopAt: { metric: 'accuracy', value: 0.9 }, metrics: [] }).success).toBe(true);
  });
});
