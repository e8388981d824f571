import type { JobPlan, StrategySpec } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import type { WorkerVerbs } from './ports.ts';
import { ServedJob } from './served-job.ts';

const SYNC: StrategySpec = { kind: 'sync', replicas: 2, backups: 0 };
const plan = (strategy: StrategySpec, rest: Partial<JobPlan> = {}) =>
  ({
    jobId: 'job',
    phase: 'training',
    warmstartWorker: null,
    control: { revision: 1, strategy, quorum: null, learningRateFactor: 1 },
    ...rest,
  }) as JobPlan;
const served = (given: JobPlan, instance = 'w1') => new ServedJob(given, instance, {} as WorkerVerbs, {});

describe('a served job', () => {
  it('of so many replicas is left to so many workers, and to another when one of these has gone', () => {
    const workers = ['w1', 'w2', 'w3'];
    const takers = (list: string[]) =>
      workers.filter((instance) => served(plan(SYNC, { workers: list }), instance).takesChunks);
    expect(takers(workers)).toEqual(['w1', 'w2']);
    expect(takers(['w1', 'w3'])).toEqual(['w1', 'w3']);
    expect(served(plan(SYNC)).takesChunks).toBe(false);
    expect(served(plan({ kind: 'sync', backups: 0 })).takesChunks).toBe(true);
  });

  it('is in step by the strategy of the moment, not by that of its spec', () => {
    const job = served(plan({ kind: 'ssp', staleness: 1, nPush: 1, warmstartSteps: 0 }));
    expect(job.inStep).toBe(false);
    job.follow(plan(SYNC));
    expect(job.inStep).toBe(true);
  });

  it('that pauses gives back what is in hand where others of its step do, and finishes it elsewhere', () => {
    const job = served(plan(SYNC));
    expect(job.rest.aborted).toBe(false);
    job.follow(plan(SYNC, { phase: 'pausing' }));
    expect(job.rest.aborted).toBe(true);
    const free = served(plan({ kind: 'ssp', staleness: 1, nPush: 1, warmstartSteps: 0 }));
    free.follow(plan({ kind: 'ssp', staleness: 1, nPush: 1, warmstartSteps: 0 }, { phase: 'pausing' }));
    expect(free.rest.aborted).toBe(false);
  });
});
