import type { JobSpecInput, StrategySpec } from '@downpour/contracts';
import { controlOf } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { switchStrategy } from './switch-strategy.ts';
import { Fixture } from './testing/fixture.ts';

const training = async (strategy: JobSpecInput['strategy'], workers: string[] = []): Promise<Fixture> => {
  const fixture = await Fixture.withMembers();
  fixture.cluster.join('worker', ...workers);
  await fixture.submit('job', { strategy });
  for (let turn = 0; turn < 4; turn++) await fixture.tick();
  return fixture;
};
const control = (fixture: Fixture) => fixture.plan('job').control;

describe('the control of shards', () => {
  it('is not written for a job that nobody waits in', async () => {
    const fixture = await training({ kind: 'async' });
    await fixture.runToEnd('job');
    expect(fixture.cluster.controls.size).toBe(0);
  });

  it('follows workers down and up, and is written to every shard', async () => {
    const fixture = await training({ kind: 'sync' }, ['w2', 'w3']);
    expect(control(fixture)?.quorum).toBe(3);
    expect(fixture.plan('job').workers).toEqual(['w1', 'w2', 'w3']);
    fixture.cluster.leave('w2');
    await fixture.tick();
    expect(control(fixture)?.quorum).toBe(2);
    fixture.cluster.join('worker', 'w2', 'w4');
    await fixture.tick();
    expect(control(fixture)?.quorum).toBe(4);
    for (const shard of [0, 1]) expect(fixture.cluster.controls.get(`job/${shard}`)).toEqual(control(fixture));
  });

  it('asks for no more gradients than there are chunks left', async () => {
    const fixture = await training({ kind: 'sync' }, ['w2', 'w3']);
    const chunks = () => fixture.cluster.chunks.get('job')!;
    for (let turn = 0; turn < 20 && fixture.cluster.enqueued.length < 2; turn++) {
      fixture.cluster.work('job', 5);
      await fixture.tick();
    }
    fixture.cluster.work('job', chunks().length - 2);
    await fixture.tick();
    expect([chunks().length, control(fixture)?.quorum]).toEqual([2, 2]);
    fixture.cluster.work('job', 1);
    await fixture.tick();
    expect(control(fixture)?.quorum).toBe(1);
  });

  it('is written again until the shard has taken it in, and then no more', async () => {
    const fixture = await training({ kind: 'sync' }, ['w2']);
    const written = () => fixture.cluster.controls.size;
    fixture.cluster.controls.clear();
    await fixture.tick(2500);
    expect(written()).toBe(2);
    fixture.cluster.report('job');
    fixture.cluster.controls.clear();
    for (let turn = 0; turn < 3; turn++) await fixture.tick(2500);
    expect(written()).toBe(0);
  });

  it('has the strategy that the job was switched to, and the coordinator after this one keeps it', async () => {
    const fixture = await training({ kind: 'async' });
    const strategy: StrategySpec = { kind: 'sync', backups: 0 };
    const { value, revision } = (await fixture.jobs.get('job'))!;
    await fixture.jobs.update(switchStrategy(value, strategy, []), revision);
    await fixture.tick();
    const switched = control(fixture);
    expect(switched).toMatchObject({ revision: 1, strategy, quorum: 1 });
    await fixture.replaceCoordinator();
    await fixture.tick();
    expect(control(fixture)).toEqual(switched);
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('of two jobs that are switched in the same moment gives one its turn, and the other when that has ended', async () => {
    const fixture = await training({ kind: 'async' });
    await fixture.submit('next', { strategy: { kind: 'async' } });
    for (let turn = 0; turn < 4; turn++) await fixture.tick();
    const kinds = () => ['job', 'next'].map((id) => controlOf(fixture.plan(id)).strategy.kind);
    for (const id of ['job', 'next']) {
      const { value, revision } = (await fixture.jobs.get(id))!;
      // Neither sees the other's.
      await fixture.jobs.update(switchStrategy(value, { kind: 'sync', backups: 0 }, []), revision);
    }
    for (let turn = 0; turn < 3; turn++) await fixture.tick();
    expect(kinds()).toEqual(['sync', 'async']);
    expect((await fixture.job('next')).reason).toContain('sync begins when job job has ended');
    await fixture.replaceCoordinator();
    for (let turn = 0; turn < 3; turn++) await fixture.tick();
    expect(kinds()).toEqual(['sync', 'async']);
    await fixture.runToEnd('job');
    for (let turn = 0; turn < 3; turn++) await fixture.tick();
    expect(controlOf(fixture.plan('next')).strategy.kind).toBe('sync');
    expect((await fixture.job('next')).reason).toBe(null);
    expect((await fixture.runToEnd('next')).state).toBe('succeeded');
  });

  it('of two jobs in step lets one run, and says why the other waits', async () => {
    const fixture = await training({ kind: 'sync' });
    await fixture.submit('next', { strategy: { kind: 'ssp' } });
    await fixture.tick();
    expect(await fixture.job('next')).toMatchObject({
      state: 'queued',
      reason: expect.stringContaining('waiting for job job to end') as string,
    });
    await fixture.runToEnd('job');
    await fixture.tick();
    expect((await fixture.job('next')).state).not.toBe('queued');
  });
});
