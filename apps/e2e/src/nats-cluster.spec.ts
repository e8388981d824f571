import { startNatsCluster, until } from '@downpour/testing';
import type { NatsCluster } from '@downpour/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
const EPOCHS = 5;
/** A node that comes back has to copy what it missed, or the next one that goes takes the majority along. */
const CATCH_UP_MS = 6000;

describe('a NATS cluster of three processes', () => {
  let nats: NatsCluster | undefined;
  let cluster: HttpCluster | undefined;

  beforeAll(async () => {
    nats = await startNatsCluster(3, { maxPayloadBytes: 8 * 2 ** 20 });
    cluster = await HttpCluster.start({ workers: 2, shards: 2, servers: nats.url });
  }, 180_000);
  afterAll(async () => {
    await cluster?.stop();
    await nats?.stop();
  }, 60_000);

  it('loses one node after the other while a job trains, each comes back, and no push is lost or counted twice', async () => {
    const { client } = cluster!;
    const { id } = await client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 128,
      epochs: EPOCHS,
      log: { storage: 'file', replicas: 3 },
      seed: 5,
    });
    let last = 0;
    const done = async () => {
      // The API says 503 while the node that leads the jobs is replaced.
      const job = await client.job(id).catch(() => null);
      if (job === null) return last;
      const { state, progress, reason } = job;
      expect(['failed', 'cancelled'], reason ?? '').not.toContain(state);
      last = state === 'finishing' || state === 'succeeded' ? EPOCHS : (progress?.epochsDone ?? last);
      return last;
    };
    await until('training', async () => (await done()) > 0.1, 120_000, 200);
    for (const [index, node] of nats!.servers.entries()) {
      const before = await done();
      await node.kill();
      await until(
        `training without node ${index}`,
        async () => (await done()) > Math.min(before + 0.1, EPOCHS - 0.01),
        60_000,
        200,
      );
      await node.restart();
      await sleep(CATCH_UP_MS);
    }
    const job = await cluster!.succeeded(id);
    expectExactLedger(job, EPOCHS * EXAMPLES);
    expect(job.result.accuracy).toBeGreaterThan(0.9);
  }, 400_000);
});
