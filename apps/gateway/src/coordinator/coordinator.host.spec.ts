import type { Cluster, JobRecord } from '@downpour/contracts';
import { connectNats } from '@downpour/nats';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join } from '../testing/fake-sharder.ts';
import type { Gateway } from '../testing/harness.ts';
import { problemOf, SPEC, startGateway } from '../testing/harness.ts';

let nats: NatsServer;
const gateways: Gateway[] = [];
const start = async (): Promise<Gateway> => {
  const gateway = await startGateway(nats.url);
  gateways.push(gateway);
  return gateway;
};
const coordinatorOf = async ({ url }: Gateway) =>
  ((await (await fetch(`${url}/v1/cluster`)).json()) as Cluster).coordinator;
const submit = ({ url }: Gateway) =>
  fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(SPEC),
  });

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.stop();
  await nats.stop();
});

describe('CoordinatorHost', () => {
  it('coordinates in one gateway of several, and in another at once when that leaves', async () => {
    const first = await start();
    await until('a coordinator', async () => (await coordinatorOf(first)) === first.instance);
    const second = await start();
    await until('agreement', async () => (await coordinatorOf(second)) === first.instance);
    const leftAt = Date.now();
    await first.stop();
    gateways.splice(gateways.indexOf(first), 1);
    await until('a handover', async () => (await coordinatorOf(second)) === second.instance, 4000);
    // At once: well before the lease would run out (5 s).
    expect(Date.now() - leftAt).toBeLessThan(3500);
    const { id } = (await (await submit(second)).json()) as JobRecord;
    await until('a look at the job', async () => {
      const job = (await (await fetch(`${second.url}/v1/jobs/${id}`)).json()) as JobRecord;
      return job.reason?.includes('waiting for a worker');
    });
  });

  it('notices at once who joins', async () => {
    const gateway = await start();
    const { id } = (await (await submit(gateway)).json()) as JobRecord;
    const job = async () => (await (await fetch(`${gateway.url}/v1/jobs/${id}`)).json()) as JobRecord;
    await until('a reason', async () => (await job()).reason?.includes('a worker: none is alive'));
    const link = await connectNats({ servers: nats.url });
    const memberships = [await join(link, 'worker', 'w1'), await join(link, 'data-sharder', 'd1')];
    await until('a reason', async () => (await job()).reason?.startsWith('waiting for a parameter shard'));
    memberships.push(await join(link, 'parameter-shard', 's1'));
    await until('preparation', async () => (await job()).state === 'preparing');
    // Nobody answers as w1: the job says what happens and goes on trying.
    await until('a reason', async () => (await job()).reason?.includes('no worker is running'), 15_000);
    for (const membership of memberships) await membership.stop();
    await link.close();
  });
});

describe('the gateway without NATS', () => {
  it('refuses jobs with 503 and Retry-After, stores none, and takes them again afterwards', async () => {
    const gateway = await start();
    expect((await submit(gateway)).status).toBe(201);
    await nats.kill();
    const refused = await submit(gateway);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('2');
    expect((await problemOf(refused)).code).toBe('unavailable');
    // Each waits some seconds for the connection to come back, so ask them together.
    const paths = ['/v1/jobs', '/v1/jobs/job-x', '/v1/datasets', '/v1/datasets/ds-x', '/v1/jobs/job-x/events'];
    const answers = await Promise.all(paths.map(async (path) => problemOf(await fetch(gateway.url + path))));
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 503));
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect(await (await fetch(`${gateway.url}/v1/cluster`)).json()).toMatchObject({ nats: { connected: false } });
    await nats.restart();
    await until('NATS', async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    const { jobs } = (await (await fetch(`${gateway.url}/v1/jobs`)).json()) as { jobs: JobRecord[] };
    expect(jobs).toHaveLength(1);
    expect((await submit(gateway)).status).toBe(201);
  }, 90_000);
});
