import { DownpourError } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { Fixture } from './testing/fixture.ts';
import { SUMMARY } from './testing/fake-cluster.ts';

describe('Coordinator', () => {
  it('leads a job to its end, with every push of every epoch in the ledger', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 3 });
    const job = await fixture.runToEnd('job');
    expect(job.state).toBe('succeeded');
    expect(fixture.jobs.history.get('job')).toEqual(['queued', 'preparing', 'training', 'finishing', 'succeeded']);
    expect(job.parameters).toBe(7850);
    expect(job.ledger).toEqual(
      [0, 1].map((shard) => ({
        shard,
        instance: `s${shard + 1}`,
        expected: 300,
        applied: 300,
        duplicatesDropped: 0,
        lateDropped: 0,
        badDropped: 0,
        refused: 0,
        examplesDropped: 0,
        badPushes: [],
        examplesApplied: 3000,
      })),
    );
    expect(job.result).toMatchObject({ accuracy: 0.9, stoppedEarly: false });
    const { trainingMs = 0, examplesPerSecond } = job.result ?? {};
    expect(trainingMs).toBeGreaterThan(0);
    expect(examplesPerSecond).toBeCloseTo((1000 * 3000) / trainingMs, 6);
    expect(job.progress).toMatchObject({ epochsDone: 3, examplesApplied: 3000, staleness: 1.5 });
  });

  it('publishes each state once and clears away everything but the model', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.runToEnd('job');
    await fixture.tick();
    const states = fixture.events.of('job').flatMap((event) => (event.type === 'state' ? [event.state] : []));
    expect(states).toEqual(['queued', 'preparing', 'training', 'finishing', 'succeeded']);
    expect(await fixture.plans.list()).toEqual([]);
    expect(fixture.cluster.streams.size).toBe(0);
    expect(fixture.cluster.removedObjects).toEqual(['jobs/job/initial', 'jobs/job/snapshots/']);
    expect((await fixture.job('job')).coordination?.cleaned).toBe(true);
  });

  it('says exactly what is missing while nobody is alive, and goes on by itself', async () => {
    const fixture = new Fixture();
    await fixture.coordinator.start();
    await fixture.submit('job');
    await fixture.tick();
    const { state, reason } = await fixture.job('job');
    expect(state).toBe('queued');
    expect(reason).toMatch(/^waiting for a worker: none is alive; start one with `node apps\/worker\/dist\/main.js`/);
    expect(reason).toContain('a parameter shard: none is alive');
    expect(reason).toContain('a data sharder: none is alive');
    fixture.cluster.join('worker', 'w1');
    fixture.cluster.join('parameter-shard', 's1');
    fixture.cluster.drain('s1');
    fixture.cluster.join('data-sharder', 'd1');
    await fixture.tick();
    expect((await fixture.job('job')).reason).toMatch(
      /^waiting for a parameter shard: the only ones alive are leaving/,
    );
    fixture.cluster.join('parameter-shard', 's2');
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'training', reason: null });
  });

  it('waits as long as it takes when the last worker leaves in mid-job', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.leave('w1');
    for (let hour = 0; hour < 50; hour++) await fixture.tick(3_600_000);
    expect(await fixture.job('job')).toMatchObject({
      state: 'training',
      reason: expect.stringMatching(/a worker: none/),
    });
    fixture.cluster.join('worker', 'w2');
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('fails a job whose model is no good, with the message, at the first try', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.prepareError = new DownpourError(
      'invalid-model',
      'The last layer has 7 units but mnist has 10 classes',
    );
    await fixture.submit('job');
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'failed',
      reason: 'The last layer has 7 units but mnist has 10 classes',
    });
    expect(fixture.cluster.prepareCalls).toBe(1);
  });

  it('tries again when preparing times out, and says so', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.prepareError = new DownpourError('timeout', 'No worker prepared the model within 30 s');
    await fixture.submit('job');
    for (let turn = 0; turn < 20; turn++) await fixture.tick(10_000);
    expect(await fixture.job('job')).toMatchObject({
      state: 'preparing',
      reason: 'No worker prepared the model within 30 s; trying again',
    });
    fixture.cluster.prepareError = null;
    await fixture.tick(30_000);
    expect((await fixture.job('job')).state).toBe('training');
  });

  it('gives up on what fails for no known reason after the given number of attempts', async () => {
    const fixture = await Fixture.withMembers({ maxAttempts: 4 });
    fixture.cluster.prepareError = new DownpourError('internal', 'the addon crashed');
    await fixture.submit('job');
    for (let turn = 0; turn < 10; turn++) await fixture.tick(30_000);
    expect(fixture.cluster.prepareCalls).toBe(4);
    expect(await fixture.job('job')).toMatchObject({ state: 'failed', reason: 'the addon crashed' });
  });

  it('fails a job that asks for more shards than its model can be cut into', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { shards: 3, placement: 'roundRobin' });
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('at most 2 shards'),
    });
  });

  it('fails a job with a fatal problem, naming who had it', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.events.publish('job', {
      type: 'problem',
      at: fixture.cluster.at,
      instance: 'w1',
      code: 'diverged',
      message: 'The loss is NaN',
      fatal: true,
      chunk: null,
    });
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'failed', reason: 'The loss is NaN (w1)' });
    await fixture.tick();
    expect(fixture.cluster.streams.size).toBe(0);
  });

  it('enqueues epochs before the queue runs dry, and none twice', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 20 });
    await fixture.tick();
    // 16 chunks for one worker: two epochs of ten.
    expect(fixture.cluster.enqueued).toEqual(['job/0', 'job/1']);
    fixture.cluster.work('job', 3);
    await fixture.tick();
    expect(fixture.cluster.enqueued).toHaveLength(2);
    fixture.cluster.work('job', 2);
    await fixture.tick();
    expect(fixture.cluster.enqueued).toEqual(['job/0', 'job/1', 'job/2']);
    await fixture.runToEnd('job');
    expect(fixture.cluster.enqueued).toHaveLength(20);
  });

  it('asks for evaluations at every multiple of evaluateEvery that the slowest shard has passed', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 2, evaluateEvery: 0.5 });
    await fixture.tick();
    const asked: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      fixture.cluster.work('job', 5);
      fixture.cluster.report('job');
      await fixture.tick();
      asked.push(...fixture.cluster.evaluations.map(({ epoch }) => epoch));
      fixture.cluster.evaluate();
    }
    // 0.5, 1, 1.5 while it trains; then the final one.
    expect(asked).toEqual([0.5, 1, 1.5, 2]);
    expect((await fixture.job('job')).evaluations.map(({ epoch }) => epoch)).toEqual([0.5, 1, 1.5, 2]);
  });

  it('asks for one evaluation at a time, unless one has been out for too long', async () => {
    const fixture = await Fixture.withMembers({ evaluationMs: 60_000 });
    await fixture.submit('job', { epochs: 4 });
    await fixture.tick();
    for (let epoch = 0; epoch < 2; epoch++) {
      fixture.cluster.work('job', 10);
      fixture.cluster.report('job');
      await fixture.tick();
    }
    expect(fixture.cluster.evaluations.map(({ epoch }) => epoch)).toEqual([1]);
    await fixture.tick(61_000);
    expect(fixture.cluster.evaluations.map(({ epoch }) => epoch)).toEqual([1, 2]);
  });

  it('stops once an evaluation reaches stopAt, and drops what is queued', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 50, stopAt: { metric: 'accuracy', value: 0.95 } });
    await fixture.tick();
    fixture.cluster.work('job', 10);
    fixture.cluster.report('job');
    await fixture.tick();
    fixture.cluster.evaluate(0.96);
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'finishing' });
    expect(fixture.cluster.chunks.get('job')).toEqual([]);
    expect(fixture.plan('job').phase).toBe('finishing');
    fixture.cluster.evaluate(0.97);
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({
      state: 'succeeded',
      result: { accuracy: 0.97, stoppedEarly: true },
    });
  });

  it('asks again for a last evaluation that never comes back, and gives up in the end', async () => {
    const fixture = await Fixture.withMembers({ finalEvaluationMs: 1000 });
    await fixture.submit('job', { epochs: 1 });
    await fixture.tick();
    fixture.cluster.work('job', 10);
    fixture.cluster.report('job');
    for (let turn = 0; turn < 10; turn++) await fixture.tick(1001);
    expect(fixture.cluster.evaluations).toHaveLength(6);
    expect(await fixture.job('job')).toMatchObject({ state: 'failed', reason: expect.stringContaining('6 times') });
  });

  it('cancels at any point and clears away', async () => {
    for (const turns of [0, 1, 3]) {
      const fixture = await Fixture.withMembers();
      await fixture.submit('job', { epochs: 5 });
      for (let turn = 0; turn < turns; turn++) await fixture.tick();
      await fixture.cancel('job');
      await fixture.tick();
      expect(await fixture.job('job')).toMatchObject({ state: 'cancelled', coordination: { cleaned: true } });
      expect(fixture.cluster.streams.size).toBe(0);
      expect(await fixture.plans.list()).toEqual([]);
      expect(fixture.events.of('job').at(-1)).toMatchObject({ type: 'state', state: 'cancelled' });
    }
  });

  it('asks a shard that has gone quiet, so that lost events hold nothing up', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job', { epochs: 1 });
    await fixture.tick();
    fixture.cluster.report('job');
    await fixture.tick();
    fixture.cluster.work('job', 10);
    await fixture.tick(5000);
    expect((await fixture.job('job')).state).toBe('finishing');
  });

  it.each([
    { storage: 'file', afterMs: 150_100 },
    { storage: 'none', afterMs: 2100 },
  ] as const)(
    'gives chunks out again when the queue is empty and pushes are missing (log: $storage)',
    async ({ storage, afterMs }) => {
      const fixture = await Fixture.withMembers();
      await fixture.submit('job', { epochs: 2, log: { storage } });
      await fixture.tick();
      fixture.cluster.work('job', 13);
      await fixture.cluster.purgeChunks('job');
      fixture.cluster.report('job');
      await fixture.tick();
      await fixture.tick(afterMs - 200);
      expect(await fixture.cluster.pendingChunks('job')).toBe(0);
      await fixture.tick(200);
      expect(await fixture.cluster.pendingChunks('job')).toBe(7);
      const job = await fixture.runToEnd('job');
      expect(job.ledger[0]).toMatchObject({ expected: 200, applied: 200, duplicatesDropped: 0 });
    },
  );

  it('says what a job without progress waits for, and gives it up in the end', async () => {
    const fixture = await Fixture.withMembers();
    await fixture.submit('job');
    await fixture.tick();
    fixture.cluster.report('job');
    await fixture.tick(31_000);
    expect((await fixture.job('job')).reason).toBe(
      'no gradient applied for half a minute: waiting for workers that hold or should take its chunks',
    );
    fixture.cluster.report('job', { state: 'loading' });
    await fixture.tick(60_000);
    expect((await fixture.job('job')).reason).toBe(
      'no gradient applied for 1 min: waiting for shard 0 to be served by s1 and shard 1 to be served by s2',
    );
    await fixture.tick(3_600_000);
    expect(await fixture.job('job')).toMatchObject({ state: 'failed', reason: expect.stringContaining('given up') });
  });

  it('lets so many jobs run at once, the others wait for their turn in order', async () => {
    const fixture = await Fixture.withMembers({ maxRunningJobs: 2 });
    for (const id of ['a', 'b', 'c', 'd']) {
      await fixture.submit(id);
      fixture.cluster.nowMs += 1;
    }
    await fixture.tick();
    await fixture.tick();
    const states = async () => Promise.all(['a', 'b', 'c', 'd'].map(async (id) => (await fixture.job(id)).state));
    expect(await states()).toEqual(['training', 'training', 'queued', 'queued']);
    expect((await fixture.job('c')).reason).toBe('waiting for its turn: 2 jobs are running, 0 are ahead in line');
    await fixture.cancel('a');
    await fixture.tick();
    await fixture.tick();
    expect(await states()).toEqual(['cancelled', 'training', 'training', 'queued']);
  });

  it('fails a job whose data set has vanished', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.summaries.clear();
    await fixture.submit('job');
    await fixture.tick();
    expect(await fixture.job('job')).toMatchObject({ state: 'failed', reason: 'There is no data set mnist any more' });
  });

  it('cuts a chunk of 16 batches by default, no longer than the data set', async () => {
    const fixture = await Fixture.withMembers();
    fixture.cluster.summaries.set('mnist', { ...SUMMARY, trainExamples: 60_000 });
    await fixture.submit('job', { batchSize: 64, chunkSize: undefined });
    await fixture.submit('large', { batchSize: 8192, chunkSize: undefined });
    await fixture.tick();
    expect(fixture.plan('job').chunks.chunkSize).toBe(1024);
    expect(fixture.plan('large').chunks.chunkSize).toBe(60_000);
  });
});
