import { beforeEach, describe, expect, it } from 'vitest';
import { Fixture } from './testing/fixture.ts';

describe('Coordinator, when there is no room', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await Fixture.withMembers({ stalledJobMs: 60_000, quietJobMs: 10_000 });
  });
  const trouble = (code: string, message: string) =>
    fixture.events.publish('job', {
      type: 'problem',
      at: fixture.cluster.at,
      instance: 'w1',
      code,
      message,
      fatal: false,
      chunk: null,
    });
  const reason = async () => (await fixture.job('job')).reason;
  const training = async (spec: Parameters<Fixture['submit']>[1] = {}) => {
    await fixture.submit('job', spec);
    await fixture.tick();
    fixture.cluster.work('job', 2);
    fixture.cluster.report('job');
    await fixture.tick();
  };

  it('shows why a job waits, waits for longer than a stalled job may, and goes on when there is room', async () => {
    await training();
    for (let seconds = 0; seconds < 180; seconds += 5) {
      trouble('log-full', 'Pushes wait for room in the push log');
      await fixture.tick(5000);
      if (seconds >= 5) expect(await reason()).toBe('Pushes wait for room in the push log');
    }
    expect(await fixture.job('job')).toMatchObject({ state: 'training' });
    fixture.cluster.work('job', 1);
    fixture.cluster.report('job');
    await fixture.tick(16_000);
    expect(await reason()).toBeNull();
    expect((await fixture.runToEnd('job')).state).toBe('succeeded');
  });

  it('says nothing of a log that is full while pushes are applied all the same: that is back-pressure', async () => {
    await training();
    trouble('log-full', 'Pushes wait for room in the push log');
    await fixture.tick();
    expect(await reason()).toBeNull();
  });

  it('says that snapshots fail before that stops the job', async () => {
    await training();
    trouble('snapshot-failed', 'Shard 0 could not store a snapshot');
    fixture.cluster.work('job', 1);
    fixture.cluster.report('job');
    await fixture.tick();
    expect(await reason()).toBe('Shard 0 could not store a snapshot');
    fixture.cluster.work('job', 1);
    fixture.cluster.report('job');
    await fixture.tick(16_000);
    expect(await reason()).toBeNull();
  });

  it('still gives up a job that stalls for no such reason', async () => {
    await training();
    for (let turn = 0; turn < 8; turn++) await fixture.tick(10_000);
    expect(await fixture.job('job')).toMatchObject({ state: 'failed' });
  });

  it('tells the shards how many bytes the log has, and refuses one that is too small for the model', async () => {
    await training();
    expect(fixture.plan('job').spec.log.maxBytes).toBe(2 ** 30);
    await fixture.submit('small', { log: { maxBytes: 2 ** 20 } });
    const { prepare } = fixture.cluster;
    fixture.cluster.prepare = async (request) => {
      const reply = await prepare.call(fixture.cluster, request);
      return { ...reply, layout: { ...reply.layout, length: 20_000 } };
    };
    await fixture.tick();
    expect(await fixture.job('small')).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(
        'log.maxBytes 1048576 is too small for a model of 20000 parameters: at least 1280000',
      ),
    });
  });
});
