import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 512;
const FEATURES = 784;

/** Two classes that a line tells apart. */
function csv(): string {
  const header = [...Array.from({ length: FEATURES }, (_, i) => `p${i}`), 'label'].join(',');
  const rows = Array.from({ length: EXAMPLES }, (_, row) => {
    const label = row % 2;
    const values = Array.from({ length: FEATURES }, (_, i) => ((row * 31 + i * 17) % 10) + (i < 40 ? label * 10 : 0));
    return [...values, label ? 'yes' : 'no'].join(',');
  });
  return [header, ...rows].join('\n');
}

describe('a NATS server that takes 1 MB a message', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2, maxPayloadBytes: 1024 * 1024 });
  });
  afterAll(() => cluster?.stop());

  it('carries a model of 7.9 million parameters, cut into slices', async () => {
    const data = csv();
    const dataset = await cluster.client.upload(
      {
        name: 'line',
        format: 'csv',
        labelColumn: 'label',
        header: true,
        labelKind: 'class',
        normalisation: 'standard',
        testShare: 0,
      },
      { train: new Blob([data]), test: new Blob([data]) },
    );
    expect(dataset.summary).toMatchObject({ trainExamples: EXAMPLES, classes: 2, featureShape: [FEATURES] });
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp', hiddenUnits: [2048, 2048, 1024] },
      dataset: dataset.id,
      epochs: 4,
      shards: 2,
      batchSize: 64,
      updateRule: { kind: 'adagrad', learningRate: 0.01 },
    });
    const job = await cluster.succeeded(id);
    // 784 x 2048 + 2048 + 2048 x 2048 + 2048 + 2048 x 1024 + 1024 + 1024 x 2 + 2.
    expect(job.parameters).toBe(7_904_258);
    expect(job.ledger).toHaveLength(2);
    expectExactLedger(job, 4 * EXAMPLES);
    expect(job.result.accuracy).toBeGreaterThan(0.95);
  });
});
