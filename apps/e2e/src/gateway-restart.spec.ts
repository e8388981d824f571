import type { JobEvent, JobRecord } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

describe('a gateway that is killed', { timeout: 180_000 }, () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
  }, 60_000);
  afterAll(() => cluster.stop());

  const getJson = async (path: string) => (await fetch(`${cluster.url}${path}`)).json() as Promise<object>;

  /** Evaluations that the job's stream of events tells from its beginning. */
  const toldEvaluations = async (id: string, atLeast: number): Promise<number> => {
    const enough = new AbortController();
    let told = 0;
    const events: AsyncIterable<JobEvent> = cluster.client.events(
      id,
      AbortSignal.any([enough.signal, AbortSignal.timeout(20_000)]),
    );
    for await (const event of events) if (event.type === 'evaluation' && ++told >= atLeast) break;
    enough.abort();
    return told;
  };

  it('leaves data sets, jobs, their progress and their metrics to the next one, which goes on with them', async () => {
    const rows = Array.from({ length: 4000 }, (_, row) => `${Math.sin(row)},${Math.cos(row)},${row % 2}`).join('\n');
    const dataset = await cluster.client.upload(
      {
        name: 'two',
        format: 'csv',
        header: false,
        labelColumn: 2,
        labelKind: 'class',
        normalisation: 'none',
        testShare: 0.2,
      },
      { train: new Blob([rows]) },
    );
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: dataset.id,
      batchSize: 4,
      epochs: 10,
      evaluateEvery: 0.25,
      stopAt: { metric: 'loss', value: 0 },
    });
    await until('evaluations', async () => (await cluster.client.job(id)).evaluations.length >= 3, 60_000);
    const before: JobRecord = await cluster.client.job(id);
    const registered = await getJson(`/v1/datasets/${dataset.id}`);

    await cluster.replaceGateway();

    const after = await cluster.client.job(id);
    expect(after.evaluations.slice(0, before.evaluations.length)).toEqual(before.evaluations);
    expect(after.progress!.examplesApplied).toBeGreaterThanOrEqual(before.progress!.examplesApplied);
    expect(after).toMatchObject({ createdAt: before.createdAt, startedAt: before.startedAt, spec: before.spec });
    expect(await getJson(`/v1/datasets/${dataset.id}`)).toEqual(registered);
    expect(await toldEvaluations(id, before.evaluations.length)).toBe(before.evaluations.length);
    await until(
      'the next gateway to lead the job',
      async () => (await cluster.client.job(id)).evaluations.length > after.evaluations.length,
      60_000,
    );
    const job = await cluster.succeeded(id);
    expectExactLedger(job, 10 * 3200);
    expect(job.evaluations.slice(0, before.evaluations.length)).toEqual(before.evaluations);
    // None twice: the new coordinator read the events from where the record had left off.
    expect(new Set(job.evaluations.map(({ at }) => at)).size).toBe(job.evaluations.length);
    expect(await cluster.client.ledger(id)).toMatchObject({ complete: true, addsUp: true, missing: 0 });
  });
});
