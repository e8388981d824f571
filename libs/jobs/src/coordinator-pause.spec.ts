import { controlOf, DownpourError, objects } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { addCheckpoint } from './checkpoints.ts';
import { pauseJob, resumeJob } from './pause.ts';
import { Fixture } from './testing/fixture.ts';

const change = async (fixture: Fixture, id: string, how: typeof pauseJob): Promise<void> => {
  const stored = (await fixture.jobs.get(id))!;
  await fixture.jobs.update(how(stored.value, fixture.cluster.at), stored.revision);
};

/** A job of 20 chunks that trains, some of them done. */
const training = async (done = 7): Promise<Fixture> => {
  const fixture = await Fixture.withMembers();
  await fixture.submit('job');
  while (fixture.plans.peek('job') === null) await fixture.tick();
  await fixture.tick();
  fixture.cluster.work('job', done);
  fixture.cluster.report('job');
  await fixture.tick();
  return fixture;
};
const tickUntil = async (fixture: Fixture, state: string, limit = 40): Promise<void> => {
  for (let turn = 0; turn < limit && (await fixture.job('job')).state !== state; turn++) await fixture.tick();
  expect((await fixture.job('job')).state).toBe(state);
};

describe('a pause', () => {
  it('waits for chunks in hand, takes a checkpoint, and then lets everybody go', async () => {
    const fixture = await training();
    fixture.cluster.holding.add('w1');
    await change(fixture, 'job', pauseJob);
    await fixture.tick();
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'pausing',
      reason: expect.stringContaining('w1') as string,
    });
    expect(fixture.plan('job').phase).toBe('pausing');
    expect(fixture.cluster.composed).toEqual([]);
    fixture.cluster.holding.clear();
    const { ownership } = fixture.plan('job').shards[0]!;
    await tickUntil(fixture, 'paused');
    expect(fixture.cluster.composed).toMatchObject([{ jobId: 'job', checkpoint: 1, why: 'pause' }]);
    expect((await fixture.job('job')).checkpoints).toMatchObject([{ number: 1, state: 'complete', exact: true }]);
    expect(fixture.plan('job')).toMatchObject({ phase: 'paused', shards: [{ ownership: ownership + 1 }, {}] });
  });

  it('does not wait for shards that have settled the same, though one has dropped a gradient that the others took', async () => {
    const fixture = await training();
    const { cluster } = fixture;
    const ledger = cluster.ledger.bind(cluster);
    cluster.ledger = async (instance, job, shard, below) => {
      const answer = await ledger(instance, job, shard, below);
      const { applied } = answer.ledger;
      return shard === 0 ? { ...answer, ledger: { ...answer.ledger, applied: applied - 1, badDropped: 1 } } : answer;
    };
    await change(fixture, 'job', pauseJob);
    const began = cluster.nowMs;
    await tickUntil(fixture, 'paused');
    expect(cluster.nowMs - began).toBeLessThan(10_000);
  });

  it('survives a coordinator, does not count as training, and is over where it began', async () => {
    const fixture = await training();
    const enqueued = [...fixture.cluster.enqueued];
    await change(fixture, 'job', pauseJob);
    await tickUntil(fixture, 'paused');
    await fixture.replaceCoordinator();
    for (let turn = 0; turn < 20; turn++) await fixture.tick(60_000);
    expect((await fixture.job('job')).state).toBe('paused');
    await change(fixture, 'job', resumeJob);
    await tickUntil(fixture, 'training');
    expect(fixture.plan('job').phase).toBe('training');
    const job = await fixture.runToEnd('job');
    expect(job.state).toBe('succeeded');
    expect(fixture.cluster.enqueued.filter((epoch) => enqueued.includes(epoch))).toEqual(enqueued);
    for (const { applied, expected, duplicatesDropped } of job.ledger)
      expect([applied, duplicatesDropped]).toEqual([expected, 0]);
    expect(job.result!.trainingMs).toBeLessThan(60_000);
    expect(job.checkpoints.map(({ why, state }) => [why, state])).toEqual([
      ['pause', 'complete'],
      ['end', 'complete'],
    ]);
  });

  it('goes on without a worker that does not let go, and without a checkpoint that cannot be written', async () => {
    const fixture = await training();
    fixture.cluster.holding.add('w1');
    fixture.cluster.composeError = new DownpourError('unavailable', 'no room');
    await change(fixture, 'job', pauseJob);
    for (let turn = 0; turn < 30; turn++) await fixture.tick(30_000);
    const job = await fixture.job('job');
    expect(job.state).toBe('paused');
    expect(job.checkpoints).toMatchObject([{ why: 'pause', state: 'failed', reason: 'no room' }]);
  });

  it('of a job that is being prepared fences its shards on the way in and on the way out, like any other', async () => {
    const fixture = await Fixture.withMembers();
    const createStreams = fixture.cluster.createStreams.bind(fixture.cluster);
    fixture.cluster.createStreams = async (...given) => {
      await change(fixture, 'job', pauseJob);
      return createStreams(...given);
    };
    await fixture.submit('job');
    await tickUntil(fixture, 'paused');
    expect((await fixture.job('job')).startedAt).toBeNull();
    const [placement] = fixture.plan('job').shards;
    await change(fixture, 'job', resumeJob);
    await tickUntil(fixture, 'training');
    expect(fixture.plan('job').phase).toBe('training');
    expect([placement!.ownership, fixture.plan('job').shards[0]!.ownership]).toEqual([2, 3]);
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('can be ended by a cancel', async () => {
    const fixture = await training();
    await change(fixture, 'job', pauseJob);
    await tickUntil(fixture, 'paused');
    await fixture.cancel('job');
    await fixture.tick();
    expect(fixture.plans.peek('job')).toBeNull();
    const ended = await fixture.job('job');
    expect(() => resumeJob(ended, fixture.cluster.at)).toThrow('cannot be resumed');
    expect(() => pauseJob(ended, fixture.cluster.at)).toThrow('nothing to pause');
  });
});

describe('checkpoints', () => {
  it('are taken by time and on request, one after another; of those by time the newest are kept', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 4, checkpointEvery: 0.5, keepCheckpoints: 2 });
    while (fixture.plans.peek('job') === null) await fixture.tick();
    const stored = (await fixture.jobs.get('job'))!;
    await fixture.jobs.update(addCheckpoint(stored.value, 'requested', fixture.cluster.at).job, stored.revision);
    const job = await fixture.runToEnd('job');
    expect(job.state).toBe('succeeded');
    const whys = job.checkpoints.map(({ why }) => why);
    expect(whys).toEqual(['requested', 'interval', 'interval', 'end']);
    expect(new Set(job.checkpoints.map(({ state }) => state))).toEqual(new Set(['complete']));
    const taken = fixture.cluster.composed.filter(({ why }) => why === 'interval').map(({ checkpoint }) => checkpoint);
    expect(taken.length).toBeGreaterThan(3);
    for (const number of taken.slice(0, -2))
      expect(fixture.cluster.removedObjects).toContain(`jobs/job/checkpoints/${number}/`);
    const told = fixture.events.of('job').filter(({ type }) => type === 'checkpoint');
    expect(told.length).toBe(fixture.cluster.composed.length);
  });

  it('are begun from: epochs go on where they ended, in what is enqueued and in what is counted', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 2 });
    await fixture.runToEnd('job');
    const { number } = (await fixture.job('job')).checkpoints.at(-1)!;
    await fixture.submit('next', { epochs: 3, shards: 1, resumeFrom: { job: 'job', checkpoint: number } });
    while (fixture.plans.peek('next') === null) await fixture.tick();
    await fixture.tick();
    expect(fixture.plan('next').origin).toMatchObject({ kind: 'resume', epoch: 2, examples: 2000, done: [] });
    expect((await fixture.job('next')).origin).toMatchObject({ job: 'job', checkpoint: number, epoch: 2 });
    expect(fixture.cluster.enqueued.filter((epoch) => epoch.startsWith('next'))).toEqual(['next/2']);
  });

  it('are begun from with the learning rate that reduceOnPlateau had come to', async () => {
    const fixture = await Fixture.withMembers();
    const schedule = { kind: 'reduceOnPlateau', patience: 1, factor: 0.5 } as const;
    // The fake's evaluations are all alike: each but the first lowers the rate.
    await fixture.submit('job', { epochs: 3, evaluateEvery: 0.25, learningRateSchedule: schedule });
    await fixture.runToEnd('job');
    const factor = fixture.cluster.controls.get('job/0')?.learningRateFactor;
    expect(factor).toBeLessThan(1);
    const { number } = (await fixture.job('job')).checkpoints.at(-1)!;
    const from = { job: 'job', checkpoint: number };
    await fixture.submit('next', { epochs: 4, shards: 1, learningRateSchedule: schedule, resumeFrom: from });
    await fixture.submit('plain', { epochs: 4, shards: 1, resumeFrom: from });
    for (let turn = 0; turn < 6; turn++) await fixture.tick();
    expect(controlOf(fixture.plan('next')).learningRateFactor).toBe(factor);
    expect(fixture.cluster.controls.get('next/0')?.learningRateFactor).toBe(factor);
    expect(controlOf(fixture.plan('plain')).learningRateFactor).toBe(1);
  });

  it('that are gone fail the job that was to begin from them, with a reason', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { resumeFrom: { job: 'other', checkpoint: 3 } });
    for (let turn = 0; turn < 5; turn++) await fixture.tick();
    const job = await fixture.job('job');
    expect([job.state, job.reason]).toEqual(['failed', expect.stringContaining('no checkpoint 3 (any more)')]);
  });

  it('leave the log and the plan of a job whose log is kept', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { keepLog: true });
    await fixture.runToEnd('job');
    await fixture.tick();
    expect(fixture.cluster.keptLogs).toEqual(new Set(['job']));
    const kept = JSON.parse(
      Buffer.from(fixture.cluster.storedObjects.get(objects.keptPlan('job'))!).toString(),
    ) as object;
    expect(kept).toMatchObject({ jobId: 'job', phase: 'finishing' });
    expect(fixture.cluster.removedObjects).not.toContain('jobs/job/initial');
  });
});
