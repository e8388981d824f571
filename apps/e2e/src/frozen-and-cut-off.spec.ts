import type { Role } from '@downpour/contracts';
import { startTcpProxy, until } from '@downpour/testing';
import type { TcpProxy } from '@downpour/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';
import { ServiceProcess } from './service-process.ts';

const EXAMPLES = 60_000;
const EPOCHS = 3;
/** A chunk whose worker is silent goes to another after 10 s (libs/nats, takers.ts). */
const CHUNK_GIVEN_ANEW_MS = 13_000;
/** What a process that is back has to find out that others have taken over. */
const FINDS_OUT_MS = 10_000;

describe('a process that is away for longer than the others wait for it', () => {
  let cluster: HttpCluster;
  let proxy: TcpProxy | null = null;
  afterEach(async () => {
    await cluster?.stop();
    await proxy?.stop();
    proxy = null;
  });

  const submit = async (): Promise<string> => {
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 128,
      epochs: EPOCHS,
      shards: 2,
      seed: 5,
    });
    await until('training', async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > 0.1, 90_000);
    return id;
  };
  /** One more process, which speaks to NATS through a proxy. */
  const addBehindProxy = async (role: Role): Promise<ServiceProcess> => {
    proxy = await startTcpProxy({ targetPort: cluster.nats!.port });
    const process = new ServiceProcess(role, { INSTANCE_NAME: role, NATS_URL: proxy.url });
    cluster.processes.push(process);
    await process.ready();
    return process;
  };
  const instanceOf = async ({ pid }: ServiceProcess): Promise<string> =>
    (await cluster.client.members()).find((member) => member.pid === pid)!.instance;
  const owns = async (id: string, instance: string): Promise<boolean> =>
    (await cluster.client.job(id)).ledger.some((ledger) => ledger.instance === instance);

  it('lets go of its shards when it thaws: a frozen owner', async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
    const id = await submit();
    const [frozen] = cluster.of('parameter-shard');
    const instance = await instanceOf(frozen!);
    expect(await owns(id, instance)).toBe(true);
    frozen!.signal('SIGSTOP');
    await until('another owner', async () => !(await owns(id, instance)), 30_000);
    frozen!.signal('SIGCONT');
    await until('it to let go', () => frozen!.log.includes('Let go of shard'), FINDS_OUT_MS);
    expectExactLedger(await cluster.succeeded(id), EPOCHS * EXAMPLES);
  });

  it('lets go of its shards when it is back: an owner that was cut off from NATS', async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 1 });
    const away = await addBehindProxy('parameter-shard');
    const instance = await instanceOf(away);
    const id = await submit();
    expect(await owns(id, instance)).toBe(true);
    proxy!.stall();
    await until('another owner', async () => !(await owns(id, instance)), 30_000);
    proxy!.pass();
    await until('it to let go', () => away.log.includes('Let go of shard'), FINDS_OUT_MS);
    expectExactLedger(await cluster.succeeded(id), EPOCHS * EXAMPLES);
  });

  it('pushes what others have pushed meanwhile, and that is dropped: a frozen worker', async () => {
    // However fast the machine is, the other worker is not done with the job before this one thaws.
    cluster = await HttpCluster.start({ workers: 2, shards: 2, env: { STEP_PADDING_MS: '20' } });
    const id = await submit();
    const [frozen] = cluster.of('worker');
    frozen!.signal('SIGSTOP');
    await sleep(CHUNK_GIVEN_ANEW_MS);
    frozen!.signal('SIGCONT');
    const job = await cluster.succeeded(id);
    expectExactLedger(job, EPOCHS * EXAMPLES);
    for (const { duplicatesDropped } of job.ledger) expect(duplicatesDropped).toBeGreaterThan(0);
  });

  it('goes on where it was: a worker that was cut off from NATS', async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 2 });
    await addBehindProxy('worker');
    const id = await submit();
    proxy!.stall();
    await sleep(CHUNK_GIVEN_ANEW_MS);
    proxy!.pass();
    expectExactLedger(await cluster.succeeded(id), EPOCHS * EXAMPLES);
  });
});
