import type { JobEvent, JobRecord } from '@downpour/contracts';
import { objects } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BareCluster } from './bare-cluster.ts';

const EXAMPLES = 60_000;
const BATCH = 64;
/** 16 batches a chunk, the last chunk shorter. */
const PUSHES_PER_EPOCH = Math.ceil(EXAMPLES / BATCH);

function expectExactLedger(job: JobRecord, epochs: number) {
  expect(job.ledger).toHaveLength(2);
  for (const shard of job.ledger) {
    expect(shard).toMatchObject({
      expected: PUSHES_PER_EPOCH * epochs,
      applied: PUSHES_PER_EPOCH * epochs,
      lateDropped: 0,
      examplesApplied: EXAMPLES * epochs,
    });
  }
}

describe('MNIST with two shards and two workers', () => {
  let cluster: BareCluster;
  beforeAll(async () => {
    cluster = await BareCluster.start();
    await Promise.all([cluster.add('data-sharder', 1), cluster.add('parameter-shard', 2), cluster.add('worker', 2)]);
  });
  afterAll(() => cluster?.stop());

  it('trains an MLP for one epoch, every example counted once on each shard', async () => {
    const id = await cluster.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      epochs: 1,
      shards: 2,
      batchSize: BATCH,
    });
    const events: JobEvent[] = [];
    const stop = await cluster.follow(id, (event) => events.push(event));
    const job = await cluster.untilEnded(id);
    stop();
    expect(job.state, `${job.reason}\n${cluster.logs()}`).toBe('succeeded');
    expect(job.result!.accuracy).toBeGreaterThan(0.9);
    expectExactLedger(job, 1);
    expect(job.ledger.map((shard) => shard.duplicatesDropped)).toEqual([0, 0]);

    const workers = new Set(events.flatMap((event) => (event.type === 'worker' ? [event.instance] : [])));
    expect(workers.size).toBe(2);
    expect(await cluster.store.exists(objects.modelTopology(id))).toBe(true);
    // 784 x 256 + 256 + 256 x 10 + 10 values of four bytes.
    expect((await cluster.store.get(objects.modelWeights(id))).byteLength).toBe(203_530 * 4);
  });

  it('counts every example once when a worker is killed in the middle', async () => {
    const id = await cluster.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      epochs: 2,
      shards: 2,
      batchSize: BATCH,
    });
    const victim = cluster.processes.find((process) => process.role === 'worker')!;
    let killed = false;
    const stop = await cluster.follow(id, (event) => {
      if (event.type !== 'shard' || event.version < 200 || killed) return;
      killed = true;
      victim.signal('SIGKILL');
    });
    const job = await cluster.untilEnded(id);
    stop();
    expect(killed).toBe(true);
    expect(job.state, `${job.reason}\n${cluster.logs()}`).toBe('succeeded');
    expect(job.result!.accuracy).toBeGreaterThan(0.9);
    expectExactLedger(job, 2);
  });

  it('uses a worker that joins in mid-job at once, and lets one leave in order', async () => {
    const id = await cluster.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      epochs: 2,
      shards: 2,
      batchSize: BATCH,
    });
    const heard = new Set<string>();
    const stop = await cluster.follow(id, (event) => event.type === 'worker' && heard.add(event.instance));
    await until('training', () => heard.size > 0, 60_000);
    const [joiner] = await cluster.add('worker', 1, { INSTANCE_NAME: 'joiner' });
    await until('the joiner to train', () => [...heard].some((instance) => instance.startsWith('joiner')), 60_000);
    expect(await joiner!.stop()).toBeLessThan(10_000);
    expect(await joiner!.exited).toEqual({ code: 0, signal: null });
    const job = await cluster.untilEnded(id);
    stop();
    expect(job.state, `${job.reason}\n${cluster.logs()}`).toBe('succeeded');
    expectExactLedger(job, 2);
  });

  it('shares its workers between two jobs', async () => {
    const spec = { model: { zoo: 'logistic' as const }, dataset: 'mnist', epochs: 1, shards: 2, batchSize: BATCH };
    const ids = [await cluster.submit(spec), await cluster.submit({ ...spec, seed: 2 })];
    const order: string[] = [];
    const stops = await Promise.all(
      ids.map((id) => cluster.follow(id, (event) => void (event.type === 'worker' && order.push(id)))),
    );
    const jobs = await Promise.all(ids.map((id) => cluster.untilEnded(id)));
    for (const stop of stops) stop();
    for (const job of jobs) {
      expect(job.state, `${job.reason}\n${cluster.logs()}`).toBe('succeeded');
      expectExactLedger(job, 1);
    }
    // Neither waits for the other to end.
    expect(order.indexOf(ids[1]!)).toBeLessThan(order.lastIndexOf(ids[0]!));
    expect(order.indexOf(ids[0]!)).toBeLessThan(order.lastIndexOf(ids[1]!));
  });
});
