import type { DatasetSpec, JobRecord, JobSpecInput } from '@downpour/contracts';
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
  const evaluated = (id: string, evaluations: number) =>
    until(
      `${evaluations} evaluations`,
      async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > evaluations,
      90_000,
      50,
    );

  it('minimises the loss over the whole data set, and ends with the same bits whoever is killed meanwhile', async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
    const quiet = await cluster.client.submit(spec(25));
    const calm = await cluster.succeeded(quiet.id);
    expectExact(calm);
    expect(calm.result.accuracy).toBeGreaterThan(0.9);
    expect(calm.evaluations.length).toBeGreaterThan(1);

    const { id } = await cluster.client.submit(spec(25));
    await evaluated(id, 4);
    cluster.of('worker')[0]!.signal('SIGKILL');
    await cluster.add('worker', 1);
    await evaluated(id, 8);
    cluster.of('parameter-shard')[0]!.signal('SIGKILL');
    await evaluated(id, 12);
    await cluster.replaceGateway();
    const stormy = await cluster.succeeded(id);
    expectExact(stormy);
    expect(stormy.result.loss).toBe(calm.result.loss);
    expect(stormy.result.accuracy).toBe(calm.result.accuracy);
  });

  it('pauses and goes on, begins from a checkpoint, stops at a loss, and is cancelled', async () => {
    // An evaluation takes five padded steps: about 0.1 s, on any machine.
    cluster = await HttpCluster.start({ workers: 2, shards: 2, env: { STEP_PADDING_MS: '20' } });
    const { client } = cluster;
    const ended = { signal: AbortSignal.timeout(60_000), pollMs: 50 };
    const dataset = await small();
    const tiny = (evaluations: number, more: Partial<JobSpecInput> = {}): JobSpecInput =>
      spec(evaluations, { dataset, batchSize: 200, chunkSize: 200, evaluateEvery: 1, ...more });

    const { id } = await client.submit(tiny(24));
    await evaluated(id, 2);
    await client.pause(id);
    const paused = await client.untilState(id, ['paused'], ended);
    const [checkpoint] = paused.checkpoints;
    expect(checkpoint, cluster.logs()).toMatchObject({ why: 'pause', state: 'complete', exact: true });
    expect(checkpoint!.epoch).toBeGreaterThan(1);
    await client.resume(id);
    const first = await cluster.succeeded(id);
    // Evaluations are counted on, not begun anew: those of before the pause are among them.
    for (const { applied, expected } of first.ledger) expect([applied, expected]).toEqual([240, 240]);
    // Of guessing: 0.693.
    expect(first.result.loss).toBeLessThan(0.66);

    await expect(client.submit(tiny(10, { resumeFrom: { job: id } }))).rejects.toThrow('warmStartFrom');
    const stopAt = { metric: 'loss', value: first.result.loss + 0.003 } as const;
    const next = await client.submit(tiny(1000, { warmStartFrom: { job: id }, stopAt }));
    const warm = await cluster.succeeded(next.id);
    expect(warm.origin).toMatchObject({ kind: 'warmStart', job: id, epoch: 0 });
    expect(warm.result.stoppedEarly).toBe(true);
    // It began where the first had ended: at once it was as good.
    expect(warm.evaluations[0]!.loss).toBeLessThanOrEqual(stopAt.value);
    for (const { applied, expected } of warm.ledger) expect(applied).toBe(expected);

    const last = await client.submit(tiny(1000));
    await evaluated(last.id, 1);
    await client.cancel(last.id);
    expect((await client.untilTerminal(last.id, ended)).state).toBe('cancelled');
    await until('the shards to be let go of', async () => (await heldShards()) === 0, 10_000);
  });

  const heldShards = async () =>
    (await cluster.client.members()).reduce((sum, { details }) => sum + Number(details['shards'] ?? 0), 0);

  /** 2,000 examples to train with, whose features are of very different sizes: L-BFGS is busy for a while. */
  async function small(): Promise<string> {
    const names = Array.from({ length: 12 }, (_, i) => `x${i}`);
    const rows = Array.from({ length: 2500 }, (_, row) => {
      const x = names.map((_, i) => Math.sin(row * (i + 1.7) + i));
      const score = x.reduce((sum, value, i) => sum + (i % 2 ? value : -value), 0) + Math.sin(row * row);
      return [...x.map((value, i) => value * 2 ** (i - 6)), score > 0 ? 1 : 0].join(',');
    });
    const form = {
      header: false,
      labelColumn: names.length,
      labelKind: 'class',
      normalisation: 'none',
      testShare: 0.2,
    };
    const spec = { name: 'small', format: 'csv', ...form } as const;
    return (await cluster.client.upload(spec as DatasetSpec, { train: new Blob([rows.join('\n')]) })).id;
  }
});
