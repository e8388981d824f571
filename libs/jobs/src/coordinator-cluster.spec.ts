import { describe, expect, it } from 'vitest';
import { Fixture } from './testing/fixture.ts';

describe('a job whose cluster is named', () => {
  it('waits until somebody stands for every entry, and says for whom it waits', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { cluster: { worker: ['w1', 'w9'], ps: ['s9'] } });
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'queued',
      reason: expect.stringMatching(/^waiting for worker "w9" and ps "s9": the job's cluster names them/) as string,
    });
    fixture.cluster.join('worker', 'w9-abcdef');
    fixture.cluster.join('parameter-shard', 's9-abcdef');
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'training', reason: null });
    const plan = (await fixture.plans.get('job'))!.value;
    expect(new Set(plan.shards.map(({ instance }) => instance))).toEqual(new Set(['s9-abcdef']));
  });

  it('keeps its shards on the processes that it names when one of them dies', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.join('parameter-shard', 's3');
    await fixture.submit('job', { cluster: { ps: ['s2', 's3'] } });
    await fixture.tick();
    const owners = async () => new Set((await fixture.plans.get('job'))!.value.shards.map(({ instance }) => instance));
    expect(await owners()).toEqual(new Set(['s2', 's3']));
    fixture.cluster.leave('s2');
    await fixture.tick();
    expect(await owners()).toEqual(new Set(['s3']));
    fixture.cluster.leave('s3');
    await fixture.tick();
    await fixture.tick();
    expect(await owners()).toEqual(new Set([null]));
    expect((await fixture.job('job')).reason).toMatch(/^waiting for ps "s2" and ps "s3"/);
  });
});
