import type { JobSpecInput } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { Fixture } from './testing/fixture.ts';

const training = async (workers: string[], spec: Partial<JobSpecInput> = {}): Promise<Fixture> => {
  const fixture = await Fixture.withMembers();
  fixture.cluster.join('worker', ...workers);
  await fixture.submit('job', { partitions: { count: 2 }, ...spec });
  for (let turn = 0; turn < 4; turn++) await fixture.tick();
  return fixture;
};
const groups = (fixture: Fixture) => fixture.plan('job').groups!.formed.map(({ members }) => members.join(' '));

describe('a job whose model is cut', () => {
  it('has groups of workers and shards of one partition each, and comes to its end', async () => {
    const fixture = await training(['w2', 'w3', 'w4', 'w5']);
    expect(groups(fixture)).toEqual(['w1 w2', 'w3 w4']);
    const { shards, cut, layout } = fixture.plan('job');
    expect(new Set(shards.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    for (const { partition, ranges } of shards)
      for (const { begin, end } of ranges)
        for (const [i, { offset, length }] of layout.variables.entries())
          if (begin < offset + length && end > offset) expect(cut!.variables[i]).toBe(partition);
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('fills the place of a member that has gone, and fences those before', async () => {
    const fixture = await training(['w2', 'w3', 'w4', 'w5']);
    const before = fixture.plan('job').groups!.newest;
    fixture.cluster.leave('w3');
    await fixture.tick();
    expect(groups(fixture)).toEqual(['w1 w2', 'w5 w4']);
    expect(fixture.plan('job').groups!.newest).toBe(before + 1);
  });

  it('waits for enough workers and says so, also for its last evaluation', async () => {
    const fixture = await training([]);
    await fixture.tick();
    expect(groups(fixture)).toEqual([]);
    expect((await fixture.job('job')).reason).toMatch(/waiting for 2 workers.*one is there/);
    fixture.cluster.join('worker', 'w2');
    await fixture.tick();
    await fixture.tick();
    expect((await fixture.job('job')).reason).toBeNull();
    for (let turn = 0; turn < 40 && (await fixture.job('job')).state === 'training'; turn++) {
      fixture.cluster.work('job', 5);
      fixture.cluster.report('job');
      await fixture.tick();
    }
    fixture.cluster.leave('w1');
    await fixture.tick();
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'finishing',
      reason: expect.stringMatching(/waiting for 2 workers/) as unknown,
    });
  });

  it('begins with the leader of the first group where there is a warmstart', async () => {
    const fixture = await training(['w2', 'w0', 'w3'], { strategy: { kind: 'async', warmstartSteps: 20 } });
    expect(fixture.plan('job').warmstartWorker).toBe('w0');
    fixture.cluster.leave('w0');
    await fixture.tick();
    expect(fixture.plan('job').warmstartWorker).toBe(fixture.plan('job').groups!.formed[0]!.members[0]);
  });

  it('is refused with fewer shards than partitions', async () => {
    const fixture = await training(['w2'], { shards: 1 });
    expect(await fixture.job('job')).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/ask for 2 or more/) as unknown,
    });
  });
});
