import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { JobEvent } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;

describe('jobs over HTTP', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
  });
  afterAll(() => cluster?.stop());

  it('trains, tells what happens, and gives a model that plain tfjs predicts with just as well', async () => {
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      shards: 2,
      evaluateEvery: 0.5,
      epochs: 1,
      seed: 3,
    });
    const events: JobEvent[] = [];
    for await (const event of cluster.client.events(id, AbortSignal.timeout(170_000))) events.push(event);
    const job = await cluster.succeeded(id);

    expectExactLedger(job, EXAMPLES);
    const of = <T extends JobEvent['type']>(type: T) =>
      events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);
    expect(of('state').map(({ state }) => state)).toEqual([
      'queued',
      'preparing',
      'training',
      'finishing',
      'succeeded',
    ]);
    expect(new Set(of('worker').map(({ instance }) => instance)).size).toBe(2);
    expect(new Set(of('shard').map(({ shard }) => shard))).toEqual(new Set([0, 1]));
    expect(Math.max(...of('shard').map(({ stalenessMax }) => stalenessMax))).toBeGreaterThan(0);
    expect(of('evaluation').length).toBeGreaterThanOrEqual(2);
    expect(job.result.accuracy).toBeGreaterThan(0.9);

    const folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-model-'));
    try {
      for (const [name, bytes] of Object.entries(unzipSync(await cluster.client.model(id))))
        writeFileSync(path.join(folder, name), bytes);
      const script = path.join(import.meta.dirname, 'predict-with-tfjs.mjs');
      const { stdout } = await promisify(execFile)(process.execPath, [script, folder]);
      // The last digit may differ: other kernels, other rounding.
      expect(Number(stdout.trim().split('\n').at(-1))).toBeCloseTo(job.result.accuracy ?? 0, 3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('trains as well when less crosses the network', async () => {
    const bytes = async (encoding: object) => {
      const { id } = await cluster.client.submit({
        model: { zoo: 'mlp' },
        dataset: 'mnist',
        batchSize: 256,
        shards: 2,
        epochs: 1,
        seed: 3,
        encoding,
      });
      const last = new Map<number, { bytesIn: number; bytesOut: number }>();
      for await (const event of cluster.client.events(id, AbortSignal.timeout(170_000)))
        if (event.type === 'shard') last.set(event.shard, event);
      const job = await cluster.succeeded(id);
      expectExactLedger(job, EXAMPLES);
      expect(job.result.accuracy).toBeGreaterThan(0.9);
      return [...last.values()].reduce((sum, { bytesIn }) => sum + bytesIn, 0);
    };
    const float32 = await bytes({});
    const int8 = await bytes({ gradients: 'int8', parameters: 'bfloat16' });
    // The last event of a shard may be from before its last pushes.
    expect(float32 / int8).toBeGreaterThan(3);
  });

  it('gives two jobs at once a fair share of the workers', async () => {
    const submit = (seed: number) =>
      cluster.client.submit({ model: { zoo: 'mlp' }, dataset: 'mnist', batchSize: 256, epochs: 2, seed });
    const [first, second] = await Promise.all([submit(1), submit(2)]);
    const shares: number[] = [];
    await until(
      'one of them to end',
      async () => {
        const [a, b] = await Promise.all([cluster.client.job(first.id), cluster.client.job(second.id)]);
        const done = [a, b].map((job) => job.progress?.epochsDone ?? 0);
        if (Math.min(...done) > 0.3 && Math.max(...done) < 1.9) shares.push(done[0]! / done[1]!);
        return a.state === 'succeeded' || b.state === 'succeeded';
      },
      170_000,
      200,
    );
    expect(shares.length).toBeGreaterThan(0);
    const median = shares.sort((a, b) => a - b)[Math.floor(shares.length / 2)]!;
    expect(median).toBeGreaterThan(0.6);
    expect(median).toBeLessThan(1.67);
    for (const { id } of [first, second]) expectExactLedger(await cluster.succeeded(id), 2 * EXAMPLES);
  });

  it('ends a cancelled job and frees its workers for the next', async () => {
    const long = await cluster.client.submit({ model: { zoo: 'mlp' }, dataset: 'mnist', batchSize: 256, epochs: 1000 });
    await until('it to train', async () => (await cluster.client.job(long.id)).state === 'training', 60_000);
    await cluster.client.cancel(long.id);
    expect((await cluster.client.untilTerminal(long.id, { signal: AbortSignal.timeout(30_000) })).state).toBe(
      'cancelled',
    );
    const next = await cluster.client.submit({ model: { zoo: 'logistic' }, dataset: 'mnist', epochs: 1 });
    expectExactLedger(await cluster.succeeded(next.id), EXAMPLES);
  });

  it('stops early once an evaluation is good enough', async () => {
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 50,
      evaluateEvery: 0.25,
      stopAt: { metric: 'accuracy', value: 0.85 },
    });
    const { result, progress } = await cluster.succeeded(id);
    expect(result.stoppedEarly).toBe(true);
    expect(result.accuracy).toBeGreaterThan(0.85);
    expect(progress?.epochsDone).toBeLessThan(10);
  });
});
