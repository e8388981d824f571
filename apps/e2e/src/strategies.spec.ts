import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

type StrategyInput = NonNullable<JobSpecInput['strategy']>;

const EXAMPLES = 60_000;
const JOB = {
  model: { zoo: 'mlp' as const, hiddenUnits: [32] },
  dataset: 'mnist',
  batchSize: 250,
  updateRule: { kind: 'sgd' as const, learningRate: 0.3 },
  epochs: 1,
  seed: 5,
  shards: 2,
};

describe('strategies', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
  });
  afterAll(() => cluster?.stop());

  const submit = async (strategy: StrategyInput, part: object = {}): Promise<string> =>
    (await cluster.client.submit({ ...JOB, strategy, ...part })).id;
  const progressed = (id: string, epochs: number) =>
    until(`${epochs} epochs`, async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > epochs, 60_000);
  /** Late ones were trained again: each example has counted once, on every shard. */
  const expectExact = ({ ledger }: JobRecord, epochs = 1): void => {
    expect(ledger).toHaveLength(2);
    for (const { applied, expected, badDropped, examplesApplied } of ledger)
      expect({ applied, badDropped, examplesApplied }).toEqual({
        applied: expected,
        badDropped: 0,
        examplesApplied: epochs * EXAMPLES,
      });
  };
  const late = ({ ledger }: JobRecord): number => Math.max(...ledger.map(({ lateDropped }) => lateDropped));
  const weights = async (id: string): Promise<Uint8Array> =>
    unzipSync(await cluster.client.model(id))['weights.bin'] as Uint8Array;

  it('sync: two runs with one seed have the same parameters, to the bit, and one worker with batches as large as two have them too, to 1e-5', async () => {
    // A worker takes the next chunk when its step is over. So the two of a step are one batch of the single worker's.
    const steps = EXAMPLES / (2 * JOB.batchSize);
    const train = async (replicas: number): Promise<Float32Array> => {
      const batchSize = (2 * JOB.batchSize) / replicas;
      const job = await cluster.succeeded(
        await submit({ kind: 'sync', replicas }, { batchSize, chunkSize: batchSize }),
      );
      expectExact(job);
      expect(job.ledger.map(({ expected, lateDropped }) => ({ expected, lateDropped }))).toEqual(
        job.ledger.map(() => ({ expected: replicas * steps, lateDropped: 0 })),
      );
      expect(job.result.accuracy).toBeGreaterThan(0.85);
      return float32(await weights(job.id));
    };
    const [two, again, one] = [await train(2), await train(2), await train(1)];
    expect(Buffer.compare(bytes(two), bytes(again))).toBe(0);
    expect(one).toHaveLength(two.length);
    expect(Math.max(...one.map((value, i) => Math.abs(value - two[i]!)))).toBeLessThan(1e-5);
  });

  it.each<StrategyInput>([
    { kind: 'async', maxStaleness: 1, stalenessScaling: 'inverse' },
    { kind: 'ssp', staleness: 0 },
    { kind: 'localSgd', localSteps: 4 },
  ])('$kind: each example counts once', async (strategy) => {
    const job = await cluster.succeeded(await submit(strategy));
    expectExact(job);
    expect(job.result.accuracy).toBeGreaterThan(0.8);
  });

  it('goes from one to another in mid-job, and through a pause', async () => {
    const { client } = cluster;
    const id = await submit({ kind: 'async' }, { epochs: 5 });
    await progressed(id, 0.1);
    await client.switchStrategy(id, { kind: 'sync' });
    await progressed(id, 0.6);
    await client.pause(id);
    await client.untilState(id, ['paused'], { signal: AbortSignal.timeout(60_000) });
    await client.resume(id);
    await progressed(id, 1);
    await client.switchStrategy(id, { kind: 'ssp', staleness: 1 });
    const job = await cluster.succeeded(id);
    expectExact(job, 5);
    expect(job.strategy).toMatchObject({ kind: 'ssp', staleness: 1 });
  });

  it('sync with a backup worker goes on when a worker is killed in mid-job, and trains late examples again', async () => {
    const [victim] = await cluster.add('worker', 1);
    await until(
      'three workers',
      async () => (await cluster.client.members()).length === cluster.processes.length,
      20_000,
    );
    const id = await submit({ kind: 'sync', backups: 1 }, { epochs: 2 });
    await progressed(id, 0.3);
    victim!.signal('SIGKILL');
    const job = await cluster.succeeded(id);
    expectExact(job, 2);
    expect(late(job)).toBeGreaterThan(0);
    expect(job.result.accuracy).toBeGreaterThan(0.85);
  });

  it('runs one job at a time whose workers wait for each other, and says so of the next', async () => {
    const first = await submit({ kind: 'sync' });
    await cluster.client.untilState(first, ['training'], { signal: AbortSignal.timeout(60_000) });
    const second = await submit({ kind: 'ssp' });
    await until('a reason', async () => (await cluster.client.job(second)).reason?.includes(first) === true, 20_000);
    for (const id of [first, second]) expectExact(await cluster.succeeded(id));
  });
});

const float32 = ({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array =>
  new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
const bytes = ({ buffer }: Float32Array): Uint8Array => new Uint8Array(buffer);
