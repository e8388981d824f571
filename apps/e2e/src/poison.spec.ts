import { until } from '@downpour/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

/** A chunk goes to the next worker 10 s after its holder died (ACK_WAIT_MS), and five die. */
const TIMEOUT_MS = 300_000;

let cluster: HttpCluster;

beforeAll(async () => {
  cluster = await HttpCluster.start({ workers: 1, shards: 1 });
}, 60_000);
afterAll(() => cluster.stop());

it('a chunk whose workers die ends its job after five of them, and is named', { timeout: TIMEOUT_MS }, async () => {
  // One chunk an epoch, of thousands of steps: whoever holds it is killed in the midst of it.
  const { id } = await cluster.client.submit({
    model: { zoo: 'mlp', hiddenUnits: [256] },
    dataset: 'mnist',
    batchSize: 8,
    chunkSize: 60_000,
    epochs: 1,
    shards: 1,
  });
  const pushes = async (): Promise<number> => {
    const { applied, duplicatesDropped } = await cluster.client.ledger(id);
    return applied + duplicatesDropped;
  };
  let killed = 0;
  for (; killed < 5; killed++) {
    const before = await pushes();
    await until('a worker to be at the chunk', async () => (await pushes()) > before, 60_000);
    cluster.of('worker').at(-1)!.signal('SIGKILL');
    await cluster.add('worker', 1);
    // What the dead one had pushed is counted by then, and the next one has not begun.
    await sleep(3000);
  }
  const job = await cluster.client.untilTerminal(id, { signal: AbortSignal.timeout(90_000) });
  expect(job.state).toBe('failed');
  expect(job.reason).toContain('Chunk 0 of epoch 0 was given out 5 times and no worker finished it');
  // The worker that refused it is alive.
  expect((await cluster.client.members()).some(({ role }) => role === 'worker')).toBe(true);
});
