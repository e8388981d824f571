import { describe, expect, it } from 'vitest';
import { describeIssues } from './describe-issues.ts';
import { jobSpecSchema } from './job-spec.ts';

const issuesOf = (spec: unknown) => {
  const result = jobSpecSchema.safeParse(spec);
  return result.success ? [] : describeIssues(result.error);
};

describe('describeIssues', () => {
  it('names the field of the union branch that came closest', () => {
    expect(issuesOf({ model: { zoo: 'vgg' }, dataset: 'mnist' })).toEqual([
      { field: 'model.zoo', message: expect.stringContaining('"mnist-cnn"') as string },
    ]);
  });

  it('names every field that is wrong', () => {
    const issues = issuesOf({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      shards: 0,
      strategy: { kind: 'async', nPush: 0 },
      bogus: 1,
    });
    expect(issues.map(({ field }) => field)).toEqual(['strategy.nPush', 'shards', 'bogus']);
    expect(issues[2]?.message).toBe('There is no such field');
  });

  it('finds nothing wrong with a spec of model and data set alone', () => {
    expect(issuesOf({ model: { zoo: 'mlp' }, dataset: 'mnist' })).toEqual([]);
  });
});
