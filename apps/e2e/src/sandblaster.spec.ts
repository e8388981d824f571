import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
const PORTIONS = 30;

const spec = (evaluations: number, more: Partial<JobSpecInput> = {}): JobSpecInput => ({
  model: { zoo: 'logistic' },
  dataset: 'mnist',
  batchSize: 500,
  chunkSize: EXAMPLES / PORTIONS,
  epochs: evaluations,
  evaluateEvery: 5,
  seed: 3,
  shards: 2,
  strategy: { kind: 'sandblaster' },
  ...more,
});

/** Every portion of every evaluation once, on every shard. */
const expectExact = (job: JobRecord): void => {
  expect(job.ledger).toHaveLength(2);
  for (const { applied, expected, badDropped, lateDropped, examplesApplied } of job.ledger) {
    expect({ applied, badDropped, lateDropped }).toEqual({ applied: expected, badDropped: 0, lateDropped: 0 });
    expect(examplesApplied).toBe((expected / PORTIONS) * EXAMPLES);
  }
  expect(new Set(job.ledger.map(({ expected }) => expected)).size).toBe(1);
};

describe('sandblaster', () => {
  let cluster: HttpCluster;
  afterEach(() => cluster?.stop());

  it('minimises the loss over the whole data set, and ends with the same bits whoever is killed meanwhile', async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
    const quiet = await cluster.client.submit(spec(25));
    const calm = await cluster.succeeded(quiet.id);
    expectExact(calm);
    expect(calm.result.accuracy).toBeGreaterThan(0.9);
    expect(calm.evaluations.length).toBeGreaterThan(1);

    const { id } = await cluster.client.submit(spec(25));
    const done = (evaluations: number) =>
      until(
        `${evaluations} evaluations`,
        async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > evaluations,
        90_000,
        50,
      );
    await done(4);
    cluster.of('worker')[0]!.signal('SIGKILL');
    await cluster.add('worker', 1);
    await done(8);
    cluster.of('parameter-shard')[0]!.signal('SIGKILL');
    await done(12);
    await cluster.replaceGateway();
    const stormy = await cluster.succeeded(id);
    expectExact(stormy);
    expect(stormy.result.loss).toBe(calm.result.loss);
    expect(stormy.result.accuracy).toBe(calm.result.accuracy);
  });
});
