import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
const JOB: JobSpecInput = {
  model: { zoo: 'mlp', hiddenUnits: [128, 64] },
  dataset: 'mnist',
  batchSize: 100,
  epochs: 1,
  partitions: { count: 2, microBatches: 2 },
};

describe('a model that is cut', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 4, shards: 2 });
  });
  afterAll(() => cluster?.stop());

  const submit = async (part: object = {}): Promise<string> => (await cluster.client.submit({ ...JOB, ...part })).id;
  const progressed = (id: string, epochs: number) =>
    until(`${epochs} epochs`, async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > epochs, 60_000);
  const trained = async (id: string): Promise<JobRecord> => {
    const job = await cluster.succeeded(id);
    expectExactLedger(job, EXAMPLES);
    expect(job.result.accuracy).toBeGreaterThan(0.92);
    return job;
  };

  it('trains in two replicas of two partitions while a member is killed, each example once on each shard', async () => {
    const id = await submit({ encoding: { gradients: 'bfloat16' } });
    await progressed(id, 0.1);
    cluster.of('worker')[0]!.signal('SIGKILL');
    const job = await trained(id);
    expect(job.ledger.length).toBeGreaterThanOrEqual(2);
  });

  it('is cut where the job says, and shows how', async () => {
    const devices = { hidden_2: '/job:worker/task:1', '*': 0 };
    const id = await submit({
      partitions: { count: 2, devices },
      batchSize: 500,
      updateRule: { kind: 'adam', learningRate: 0.005 },
    });
    await trained(id);
    const { partitions, edges, nodes } = await cluster.client.graph(id);
    expect(nodes.filter(({ partition }) => partition === 1).map(({ layer }) => layer)).toEqual(['hidden_2']);
    expect(partitions.map(({ parameters }) => parameters)).toEqual([784 * 128 + 128 + 64 * 10 + 10, 128 * 64 + 64]);
    // There and back again: the cut need not be a line.
    expect(edges.map(({ from, to }) => `${from}>${to}`)).toEqual(['0>1', '1>0']);
  });

  it('waits for as many workers as it has partitions, and says so', async () => {
    const id = await submit({ partitions: { count: 6 }, model: { zoo: 'mlp', hiddenUnits: [32, 32, 32, 32, 32, 32] } });
    await until(
      'a reason',
      async () => /waiting for 6 workers/.test((await cluster.client.job(id)).reason ?? ''),
      30_000,
    );
    await cluster.client.cancel(id);
  });
});
