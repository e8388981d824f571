import type { JobSpecInput } from '@downpour/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

/** The MLP of tensorflow issue 24953, and bytes of one of its gradients by shard (docs/coming-from-tensorflow.md). */
const MODEL: JobSpecInput['model'] = { zoo: 'mlp', hiddenUnits: [100, 100] };
const PLACEMENTS: [JobSpecInput['placement'], number[]][] = [
  ['roundRobin', [317_600, 440, 40_000, 400]],
  [{ policy: 'roundRobin', partitioner: { kind: 'fixedShards', shards: 4 } }, [89_612, 89_612, 89_608, 89_608]],
  ['even', [89_612, 89_608, 89_612, 89_608]],
];
const BATCHES = 60;

describe('placement on four shards', { timeout: 240_000 }, () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 2 });
  }, 180_000);
  afterAll(() => cluster?.stop());

  it.each(PLACEMENTS)('%j: each shard is sent what the placement says', async (placement, gradient) => {
    const { id } = await cluster.client.submit({
      model: MODEL,
      dataset: 'mnist',
      batchSize: 60_000 / BATCHES,
      epochs: 1,
      shards: 4,
      ...(placement === undefined ? {} : { placement }),
    });
    const bytesIn = [0, 0, 0, 0];
    for await (const event of cluster.client.events(id, AbortSignal.timeout(170_000)))
      if (event.type === 'shard') bytesIn[event.shard] = Math.max(bytesIn[event.shard]!, event.bytesIn);
    await cluster.succeeded(id);
    // Headers are not counted. The last event of a shard may be from before its last pushes.
    for (const [shard, bytes] of gradient.entries()) {
      expect(bytesIn[shard]! / BATCHES).toBeLessThanOrEqual(bytes);
      expect(bytesIn[shard]! / BATCHES).toBeGreaterThan(0.8 * bytes);
    }
  });
});
