import { jobSpecSchema } from '@downpour/contracts';
import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { newJob } from './job-record.ts';
import { switchStrategy } from './switch-strategy.ts';

const job = (id: string, state: JobRecord['state'], strategy: JobSpecInput['strategy'] = { kind: 'async' }) => ({
  ...newJob(id, jobSpecSchema.parse({ model: { zoo: 'mlp' }, dataset: 'mnist', strategy }), '2026-11-24T12:00:00.000Z'),
  state,
});
const SYNC = { kind: 'sync', backups: 0 } as const;

describe('a switch of strategies', () => {
  it.each(['queued', 'preparing', 'training', 'paused'] as const)('is possible while a job is %s', (state) => {
    expect(switchStrategy(job('a', state), SYNC, [])).toMatchObject({ state, strategy: SYNC });
  });

  it.each(['pausing', 'finishing', 'succeeded', 'failed', 'cancelled'] as const)('is not while it is %s', (state) => {
    expect(() => switchStrategy(job('a', state), SYNC, [])).toThrow(/^Job a (is|has) /);
  });

  it('changes nothing when that is the strategy of the job already, be it by its spec', () => {
    const bySpec = job('a', 'training', SYNC);
    expect(switchStrategy(bySpec, SYNC, [])).toBe(bySpec);
    const switched = { ...job('a', 'training'), strategy: SYNC };
    expect(switchStrategy(switched, SYNC, [])).toBe(switched);
  });

  it('keeps the replicas of a model that is cut from waiting for each other', () => {
    const plain = job('a', 'training');
    const cut = { ...plain, spec: { ...plain.spec, partitions: { count: 2, microBatches: 4 } } };
    expect(() => switchStrategy(cut, SYNC, [])).toThrow('A model that is cut trains with strategy async');
    const scaled = { kind: 'async', nFetch: 1, nPush: 1, warmstartSteps: 0, stalenessScaling: 'inverse' } as const;
    expect(switchStrategy(cut, scaled, []).strategy).toEqual(scaled);
    expect(() => switchStrategy(cut, { ...scaled, nFetch: 2 }, [])).toThrow('fetch every 1 steps');
  });

  it('waits for no other job that keeps workers in step, unless both run', () => {
    const other = job('b', 'training', { kind: 'ssp' });
    expect(() => switchStrategy(job('a', 'training'), SYNC, [other])).toThrow(
      'Job b runs and keeps all workers in step',
    );
    expect(switchStrategy(job('a', 'queued'), SYNC, [other]).strategy).toEqual(SYNC);
    expect(switchStrategy(job('a', 'training'), SYNC, [{ ...other, state: 'paused' }]).strategy).toEqual(SYNC);
    expect(switchStrategy(job('a', 'training'), SYNC, [job('a', 'training', SYNC)]).strategy).toEqual(SYNC);
    const switched = { ...job('b', 'training'), strategy: SYNC };
    expect(() => switchStrategy(job('a', 'training'), SYNC, [switched])).toThrow('wait until it has ended');
  });
});
