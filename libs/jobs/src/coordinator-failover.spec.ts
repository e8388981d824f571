import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTerminal } from './job-state.ts';
import { Fixture } from './testing/fixture.ts';

const owners = (fixture: Fixture, id = 'job') =>
  fixture.plan(id).shards.map(({ instance, ownership }) => [instance, ownership]);

describe('Coordinator, when members come and go', () => {
  it('places shards evenly, more shards than processes share them', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 5 });
    await fixture.tick();
    const held = ['s1', 's2'].map((name) => owners(fixture).filter(([instance]) => instance === name).length);
    expect(held.sort()).toEqual([2, 3]);
    expect(owners(fixture).every(([, ownership]) => ownership === 1)).toBe(true);
  });

  it('takes two shards for each live process where the spec does not say, and one that joins takes some over', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: undefined });
    await fixture.tick();
    const instances = () => owners(fixture).map(([instance]) => instance);
    expect(instances().sort()).toEqual(['s1', 's1', 's2', 's2']);
    fixture.cluster.join('parameter-shard', 's3');
    fixture.cluster.report('job');
    await fixture.tick();
    expect(new Set(instances())).toEqual(new Set(['s1', 's2', 's3']));
  });

  it('gives the shards of a vanished owner to a live one, fenced by a new ownership', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.leave('s1');
    await fixture.tick();
    expect(owners(fixture)).toEqual([
      ['s2', 2],
      ['s2', 1],
    ]);
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('takes shards from a process that is leaving before it is gone', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.drain('s2');
    await fixture.tick();
    expect(owners(fixture)).toEqual([
      ['s1', 1],
      ['s1', 2],
    ]);
  });

  it('leaves shards without an owner while none is alive, says so, and never gives an ownership twice', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.leave('s1', 's2');
    await fixture.tick();
    expect(owners(fixture)).toEqual([
      [null, 1],
      [null, 1],
    ]);
    expect((await fixture.job('job')).reason).toMatch(/^waiting for a parameter shard: none is alive/);
    fixture.cluster.join('parameter-shard', 's1');
    await fixture.tick();
    expect(owners(fixture)).toEqual([
      ['s1', 2],
      ['s1', 2],
    ]);
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('moves a shard to a process that joins in mid-job, one at a time, and only while all serve', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 6 });
    await fixture.tick();
    fixture.cluster.join('parameter-shard', 's3');
    await fixture.tick();
    const held = () => owners(fixture).filter(([instance]) => instance === 's3').length;
    expect(held()).toBe(0);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(held()).toBe(1);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(held()).toBe(1);
    fixture.cluster.report('job');
    await fixture.tick(5000);
    expect(held()).toBe(2);
    fixture.cluster.report('job');
    await fixture.tick(5000);
    expect(held()).toBe(2);
  });

  it('lets the owner of a shard that moves answer pulls until the new one serves, and no longer', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 6 });
    await fixture.tick();
    fixture.cluster.join('parameter-shard', 's3');
    fixture.cluster.report('job');
    await fixture.tick();
    const [moved, ...others] = fixture.plan('job').shards.filter(({ instance }) => instance === 's3');
    expect(others).toEqual([]);
    expect(moved).toMatchObject({ ownership: 2, previous: { ownership: 1 } });
    // It loads, and nothing else moves meanwhile.
    fixture.cluster.report('job', { state: 'loading' });
    await fixture.tick(60_000);
    expect(fixture.plan('job').shards.filter(({ previous }) => previous !== undefined)).toEqual([moved]);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(fixture.plan('job').shards[moved!.shard]).not.toHaveProperty('previous');
  });

  it('has a process that leaves hand over, and keeps it at that while successors come and go', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.join('parameter-shard', 's3');
    await fixture.submit('job', { shards: 1 });
    await fixture.tick();
    fixture.cluster.report('job');
    fixture.cluster.drain('s1');
    await fixture.tick();
    const first = fixture.plan('job').shards[0];
    expect(first).toMatchObject({ instance: 's2', ownership: 2, previous: { instance: 's1', ownership: 1 } });
    fixture.cluster.leave('s2');
    await fixture.tick();
    expect(fixture.plan('job').shards[0]).toMatchObject({
      instance: 's3',
      ownership: 3,
      previous: { instance: 's1', ownership: 1 },
    });
    fixture.cluster.leave('s1');
    await fixture.tick();
    expect(fixture.plan('job').shards[0]).not.toHaveProperty('previous');
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('asks nothing of an owner that is gone, or cannot serve', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.report('job');
    fixture.cluster.leave('s1');
    await fixture.tick();
    expect(fixture.plan('job').shards.every(({ previous }) => previous === undefined)).toBe(true);
    fixture.cluster.join('parameter-shard', 's3');
    fixture.cluster.report('job', { state: 'failed', reason: 'no' });
    await fixture.tick();
    expect(fixture.plan('job').shards.every(({ previous }) => previous === undefined)).toBe(true);
  });

  it('moves no shard of a job without a log to even the load: what its owner has applied is nowhere else', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 6, log: { storage: 'none', replicas: 1 } });
    await fixture.tick();
    fixture.cluster.join('parameter-shard', 's3');
    fixture.cluster.report('job');
    await fixture.tick(60_000);
    expect(owners(fixture).filter(([instance]) => instance === 's3')).toEqual([]);
    fixture.cluster.drain('s1');
    await fixture.tick();
    expect(owners(fixture).filter(([instance]) => instance === 's1')).toEqual([]);
    expect(fixture.plan('job').shards.every(({ previous }) => previous === undefined)).toBe(true);
  });

  it('evens the load over jobs: a joiner takes the shard of one of two jobs that share a process', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.leave('s2');
    await fixture.submit('job', { shards: 1 });
    await fixture.submit('other', { shards: 1 });
    await fixture.tick();
    fixture.cluster.join('parameter-shard', 's2');
    fixture.cluster.report('job');
    fixture.cluster.report('other');
    await fixture.tick();
    expect([...owners(fixture), ...owners(fixture, 'other')].map(([instance]) => instance).sort()).toEqual([
      's1',
      's2',
    ]);
  });

  it('gives a shard that its owner cannot serve to another, and the job up when nobody can', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 1 });
    await fixture.tick();
    fixture.cluster.report('job', { state: 'failed', reason: 'every snapshot is corrupt' });
    await fixture.tick();
    expect(owners(fixture)).toEqual([['s2', 2]]);
    for (let turn = 0; turn < 3; turn++) {
      fixture.cluster.report('job', { state: 'failed', reason: 'every snapshot is corrupt' });
      await fixture.tick();
    }
    expect(await fixture.job('job')).toMatchObject({
      state: 'failed',
      reason: 'Shard 0 fails wherever it is put: every snapshot is corrupt',
    });
  });

  it('tells who joins and leaves while a job runs, and counts only live workers', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    const worker = (instance: string) =>
      fixture.events.publish('job', {
        type: 'worker',
        at: fixture.cluster.at,
        instance,
        examples: 100,
        examplesPerSecond: 10,
        steps: 10,
        loss: 0.4,
        accuracy: 0.75,
        epoch: 0,
        chunk: 0,
      });
    fixture.cluster.join('worker', 'w2');
    for (const instance of ['w1', 'w2', 'gone']) worker(instance);
    fixture.cluster.report('job');
    await fixture.tick(1000);
    expect((await fixture.job('job')).progress).toMatchObject({ workers: 2, accuracy: 0.75 });
    fixture.cluster.leave('w1');
    await fixture.tick();
    const changes = fixture.events
      .of('job')
      .flatMap((event) => (event.type === 'member' ? [[event.instance, event.role, event.change]] : []));
    expect(changes).toEqual([
      ['w2', 'worker', 'joined'],
      ['w1', 'worker', 'left'],
    ]);
  });

  it('lets one worker warm up alone, another one if that leaves, then all', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 3, strategy: { kind: 'async', warmstartSteps: 50 } });
    await fixture.tick();
    expect(fixture.plan('job').warmstartWorker).toBe('w1');
    fixture.cluster.join('worker', 'w2');
    fixture.cluster.leave('w1');
    await fixture.tick();
    expect(fixture.plan('job').warmstartWorker).toBe('w2');
    fixture.cluster.work('job', 4);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(fixture.plan('job').warmstartWorker).toBe('w2');
    fixture.cluster.work('job', 1);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(fixture.plan('job').warmstartWorker).toBeNull();
  });

  it('goes on where a coordinator that died had come to, at every point', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 6 });
    for (let turn = 0; turn < 200; turn++) {
      await fixture.replaceCoordinator();
      const job = await fixture.job('job');
      if (isTerminal(job.state)) break;
      if (fixture.plans.peek('job') !== null) {
        fixture.cluster.work('job', 5);
        fixture.cluster.report('job');
        fixture.cluster.evaluate();
      }
      await fixture.tick();
    }
    const job = await fixture.job('job');
    expect(job.state).toBe('succeeded');
    expect(fixture.cluster.enqueued).toEqual([0, 1, 2, 3, 4, 5].map((epoch) => `job/${epoch}`));
    expect(job.evaluations.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('does not miss the event that decides a job while no coordinator was there', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 1 });
    await fixture.tick();
    fixture.cluster.work('job', 10);
    fixture.cluster.report('job');
    await fixture.tick();
    await fixture.coordinator.stop();
    fixture.cluster.evaluate(0.93);
    await fixture.replaceCoordinator();
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'succeeded', result: { accuracy: 0.93 } });
  });

  it('ends every job, whatever happens in whatever order, once everything is delivered', async () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('work' as const), count: fc.integer({ min: 1, max: 12 }) }),
      },
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constantFrom('report' as const, 'evaluate' as const, 'stale' as const) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('replace' as const, 'error' as const) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom('leave' as const, 'join' as const),
          who: fc.constantFrom('w1', 'w2', 's1', 's2', 's3', 'd1'),
        }),
      },
    );
    const roleOf = { w: 'worker', s: 'parameter-shard', d: 'data-sharder' } as const;
    const join = (fixture: Fixture, who: string) => fixture.cluster.join(roleOf[who[0] as keyof typeof roleOf], who);
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const fixture = await Fixture.withMembers();
        await fixture.submit('job', { epochs: 2, evaluateEvery: 0.7, shards: 3 });
        let stale: ReturnType<typeof fixture.cluster.shardEvents> = [];
        for (const step of actions) {
          const planned = fixture.plans.peek('job') !== null;
          if (step.kind === 'tick') await fixture.tick(step.ms);
          else if (step.kind === 'leave') fixture.cluster.leave(step.who);
          else if (step.kind === 'join') join(fixture, step.who);
          else if (step.kind === 'replace') await fixture.replaceCoordinator();
          else if (step.kind === 'error') fixture.cluster.failNext = new Error('connection lost');
          else if (!planned) continue;
          else if (step.kind === 'work') fixture.cluster.work('job', step.count);
          else if (step.kind === 'evaluate') fixture.cluster.evaluate();
          else if (step.kind === 'report') {
            stale = fixture.cluster.shardEvents('job');
            fixture.cluster.report('job');
          } else for (const event of stale) fixture.events.publish('job', event);
        }
        for (const who of ['w1', 's1', 's2', 'd1']) join(fixture, who);
        fixture.cluster.failNext = null;
        for (let turn = 0; turn < 5; turn++) await fixture.tick(60_000);
        const job = await fixture.runToEnd('job');
        expect(job.state).toBe('succeeded');
        for (const { expected, applied } of job.ledger) expect([expected, applied]).toEqual([200, 200]);
        await fixture.tick(60_000);
        expect(fixture.cluster.streams.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
