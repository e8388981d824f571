import type { JobSpecInput, ShardLedger } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { Fixture } from './testing/fixture.ts';

/** Trains a job to its last push, then lets the shards give these accounts at its end. */
const endsWith = async (
  change: (ledger: ShardLedger) => Partial<ShardLedger>,
  fixture?: Fixture,
  spec: Partial<JobSpecInput> = {},
) => {
  fixture ??= await Fixture.withMembers();
  await fixture.submit('job', spec);
  const { cluster } = fixture;
  const ledger = cluster.ledger.bind(cluster);
  cluster.ledger = async (...asked) => {
    const answer = await ledger(...asked);
    return { ...answer, ledger: { ...answer.ledger, ...change(answer.ledger) } };
  };
  return fixture.runToEnd('job');
};

describe("Coordinator, at a job's end", () => {
  it.each([
    {
      what: 'lacks a push',
      change: { applied: 199 },
      reason: 'shard 1 lacks 1 pushes: 199 applied + 0 bad < 200 expected',
    },
    {
      what: 'has applied one twice',
      change: { applied: 201 },
      reason: 'shard 1 has settled more pushes than there are',
    },
    { what: 'expects others than the plan', change: { expected: 100, applied: 100 }, reason: 'the plan has 200' },
    { what: 'counts other examples', change: { examplesApplied: 1999 }, reason: 'counts 1999 examples' },
  ])('fails it when a shard $what', async ({ change, reason }) => {
    const job = await endsWith(({ shard }) => (shard === 1 ? change : {}));
    expect(job.state).toBe('failed');
    expect(job.reason).toContain('The ledger does not add up: ');
    expect(job.reason).toContain(reason);
  });

  it('fails it when a push is missing and only the last evaluation reaches `stopAt`: nothing was stopped', async () => {
    const stopAt = { metric: 'accuracy', value: 0.8 } as const;
    const job = await endsWith(({ shard }) => (shard === 1 ? { applied: 199 } : {}), undefined, {
      stopAt,
      evaluateEvery: 1000,
    });
    expect(job.state).toBe('failed');
    expect(job.reason).toContain('lacks 1 pushes');
  });

  it('lets it succeed when what is missing was dropped on purpose, and shows that', async () => {
    const change = { applied: 198, badDropped: 2, lateDropped: 1, examplesApplied: 1980, examplesDropped: 20 };
    const job = await endsWith(() => change);
    expect(job).toMatchObject({ state: 'succeeded', ledger: [change, change], result: { stoppedEarly: false } });
  });

  it('waits for a shard that does not close its ledger, and says so', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 1 });
    const { cluster } = fixture;
    const ledger = cluster.ledger.bind(cluster);
    // Its new owner is replaying the log: the last that was heard is from the midst of it.
    let away = true;
    cluster.ledger = async (...asked) => {
      if (away) throw new Error('it is loading');
      return ledger(...asked);
    };
    await fixture.tick();
    for (let turn = 0; turn < 20 && (await fixture.job('job')).state !== 'finishing'; turn++) {
      cluster.work('job', 5);
      cluster.report('job');
      await fixture.tick();
    }
    for (const event of cluster.shardEvents('job'))
      if (event.type === 'shard' && event.shard === 0)
        fixture.events.publish('job', { ...event, complete: false, ledger: { ...event.ledger, applied: 40 } });
    cluster.evaluate();
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'finishing' });
    expect((await fixture.job('job')).reason).toMatch(/^waiting for shard .* to close its ledger$/);
    away = false;
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'succeeded',
      ledger: [{ applied: 100 }, { applied: 100 }],
    });
  });

  it('fails it when most pushes are bad, long before its end', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 100, onBadGradient: 'skip' });
    await fixture.tick();
    fixture.cluster.work('job', 10);
    const { ledger } = fixture.cluster.shardEvents('job')[0] as Extract<
      ReturnType<typeof fixture.cluster.shardEvents>[0],
      { type: 'shard' }
    >;
    fixture.cluster.report('job', { ledger: { ...ledger, shard: 0, applied: 49, badDropped: 51 } });
    await fixture.tick();
    const job = await fixture.job('job');
    expect(job.state).toBe('failed');
    expect(job.reason).toContain('51 of the first 100 pushes of shard 0');
  });
});
