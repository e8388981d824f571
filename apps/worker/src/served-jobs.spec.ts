import { describe, expect, it } from 'vitest';
import type { JobPlan } from '@downpour/contracts';
import { ServedJobs } from './served-jobs.ts';

const plan = (jobId: string, cluster?: JobPlan['spec']['cluster']): JobPlan =>
  ({ jobId, phase: 'training', spec: { cluster, strategy: { kind: 'async' } } }) as unknown as JobPlan;

describe('ServedJobs', () => {
  it('serves jobs that name this worker, or nobody, and no other', () => {
    const jobs = new ServedJobs('worker-a-9x8y7z', {} as never, {} as never, () => undefined);
    jobs.onPlan(plan('all'));
    jobs.onPlan(plan('mine', { worker: ['worker-a'] }));
    jobs.onPlan(plan('shards', { ps: ['big'] }));
    jobs.onPlan(plan('other', { worker: ['worker-b', 'gpu-*'] }));
    expect(['all', 'mine', 'shards', 'other'].map((id) => jobs.get(id) !== undefined)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
