import type { Evaluation, Metric } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { reaches } from './evaluations.ts';

describe('stopAt', () => {
  const evaluation: Evaluation = {
    loss: 2,
    accuracy: 0.5,
    metrics: { recall: 0.5, meanSquaredError: 2 },
    examples: 10,
    epoch: 1,
    at: '',
  };

  it.each<[Metric, number, boolean]>([
    ['loss', 2, true],
    ['loss', 1.9, false],
    ['meanSquaredError', 2.1, true],
    ['meanSquaredError', 1.9, false],
    ['accuracy', 0.5, true],
    ['recall', 0.4, true],
    ['recall', 0.6, false],
    ['precision', 0, false],
    ['meanAbsoluteError', 9, false],
  ])('%s %d is reached: %s', (metric, value, reached) => {
    expect(reaches({ metric, value }, evaluation)).toBe(reached);
  });

  it('that is not there is never reached', () => {
    expect(reaches(undefined, evaluation)).toBe(false);
  });
});
