import { until } from '@downpour/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;

describe('processes that come and go', () => {
  let cluster: HttpCluster;
  afterEach(() => cluster?.stop());

  it('waits for a worker, says so, and goes on when one comes', async () => {
    cluster = await HttpCluster.start({ workers: 0, shards: 1 });
    const { id } = await cluster.client.submit({ model: { zoo: 'logistic' }, dataset: 'mnist', epochs: 1 });
    await until('a word about the worker', async () => (await cluster.client.job(id)).reason?.includes('worker'));
    expect((await cluster.client.job(id)).state).toBe('queued');
    await cluster.add('worker', 1);
    expectExactLedger(await cluster.succeeded(id), EXAMPLES);
  });

  it.each([
    { log: 'file', then: 'another takes it over, nothing is lost or doubled' },
    { log: 'none', then: 'what is lost with it is computed again' },
  ] as const)('goes on when a shard is killed (log: $log): $then', async ({ log }) => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 3,
      seed: 5,
      log: { storage: log },
    });
    await until('half an epoch', async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > 0.5, 60_000);
    cluster.of('parameter-shard')[0]!.signal('SIGKILL');
    const job = await cluster.succeeded(id);
    expectExactLedger(job, 3 * EXAMPLES);
    expect(new Set(job.ledger.map(({ instance }) => instance)).size).toBe(1);
    expect(job.result.accuracy).toBeGreaterThan(0.93);
  });

  it('goes on when gateway, sharder and a worker are killed and others take their place', async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 1 });
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 3,
      seed: 5,
    });
    await until(
      'a third of an epoch',
      async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > 0.3,
      60_000,
    );
    cluster.of('worker')[0]!.signal('SIGKILL');
    cluster.of('data-sharder')[0]!.signal('SIGKILL');
    await cluster.add('data-sharder', 1);
    await cluster.add('worker', 1);
    await cluster.replaceGateway();
    expectExactLedger(await cluster.succeeded(id), 3 * EXAMPLES);
  });

  it('uses a worker and a shard that join in mid-job, and goes on when they leave politely', async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 4,
      shards: 2,
      seed: 5,
    });
    await until('training', async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > 0.1, 60_000);
    const [worker, shard] = [...(await cluster.add('worker', 1)), ...(await cluster.add('parameter-shard', 1))];
    const busy = async () => {
      const job = await cluster.client.job(id);
      return (
        job.state !== 'training' ||
        ((job.progress?.workers ?? 0) === 2 && new Set(job.ledger.map(({ instance }) => instance)).size === 2)
      );
    };
    await until('both to take part', busy, 60_000);
    expect((await cluster.client.job(id)).state).toBe('training');
    const took = await Promise.all([worker!.stop(), shard!.stop()]);
    expect(await worker!.exited).toEqual({ code: 0, signal: null });
    expect(await shard!.exited).toEqual({ code: 0, signal: null });
    expect(Math.max(...took)).toBeLessThan(11_000);
    expectExactLedger(await cluster.succeeded(id), 4 * EXAMPLES);
  });
});
