import { buckets, subjects } from '@downpour/contracts';
import { encodeFrame } from '@downpour/tensor';
import { fuzzPlan, mutateBytes, mutateValue, SeededRandom, until } from '@downpour/testing';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const MESSAGES = 4000;
const { seed } = fuzzPlan();
const at = '2026-11-24T12:00:00.000Z';

/** The same mistakes as in the services' own fuzz tests, over a real NATS, at everything that services listen to, while they train. */
describe('a cluster that is sent nonsense over NATS', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
  });
  afterAll(() => cluster?.stop());

  const metricsOf = async (process: { url(): Promise<string> }): Promise<string> =>
    (await fetch(`${await process.url()}/metrics`)).text();
  const refusedBy = async (process: { url(): Promise<string> }): Promise<number> =>
    [...(await metricsOf(process)).matchAll(/^downpour_messages_refused_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );

  it('goes on with its job, every push applied once, and counts what it refuses', async () => {
    const nc = await connect({ servers: cluster.nats!.url });
    const random = new SeededRandom(seed);
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 3,
      shards: 1,
    });
    await until('training', async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) > 0.05, 60_000);
    const members = await cluster.client.members();
    const instanceOf = (role: string): string => members.find((member) => member.role === role)!.instance;
    const shard = instanceOf('parameter-shard');
    const push = {
      type: 'push',
      v: 1,
      jobId: id,
      shard: 0,
      epoch: 0,
      chunk: 0,
      push: 0,
      version: 0,
      examples: 256,
      worker: 'w',
    };
    const gradient = { dtype: 'float32' as const, shape: [4], data: new Float32Array(4) };
    const frame = (header: unknown, tensors = {}) => ({ header, tensors });
    const frames: [string, ReturnType<typeof frame>][] = [
      [
        subjects.pull(shard),
        frame({ type: 'pull', v: 1, jobId: id, shard: 0, ownership: 1, ifNotVersion: -1, encoding: 'float32' }),
      ],
      [subjects.ledger(shard), frame({ type: 'ledger', v: 1, jobId: id, shard: 0 })],
      [
        subjects.examples,
        frame({ type: 'examples', v: 1, datasetId: 'mnist', split: 'test', order: null, begin: 0, end: 4 }),
      ],
      [subjects.push(id, 0), frame(push, { gradient })],
    ];
    const json: [string, unknown][] = [
      [subjects.event(id), { type: 'member', at, instance: 'x', role: 'worker', change: 'joined' }],
      [
        subjects.event('job-of-nobody'),
        { type: 'problem', at, instance: 'x', code: 'y', message: 'z', fatal: true, chunk: null },
      ],
      [`$KV.${buckets.members}.worker.x`, { role: 'worker', instance: 'x', host: 'h', pid: 1, startedAt: at }],
      [`$KV.${buckets.plans}.job-of-nobody`, { v: 1, jobId: 'job-of-nobody', shards: [] }],
      [`$KV.${buckets.jobs}.job-of-nobody`, { id: 'job-of-nobody', name: 'x', state: 'queued' }],
      [`$KV.${buckets.datasets}.set-of-nobody`, { id: 'set-of-nobody', name: 'x' }],
      [subjects.evaluate('job-of-nobody'), { type: 'evaluate', v: 1, jobId: 'job-of-nobody' }],
      [subjects.chunk(id), { type: 'chunk', v: 1, jobId: id, epoch: 'x', chunk: 0 }],
    ];
    for (let message = 0; message < MESSAGES; message++) {
      if (random.chance(0.5)) {
        const [subject, { header, tensors }] = random.pick(frames);
        const whole = encodeFrame(random.chance(0.5) ? mutateValue(random, header) : header, tensors);
        nc.publish(subject, mutateBytes(random, whole), { reply: '_INBOX.nobody' });
      } else {
        const [subject, sample] = random.pick(json);
        const text = Buffer.from(JSON.stringify(mutateValue(random, sample)) ?? '');
        nc.publish(subject, mutateBytes(random, text), random.chance(0.5) ? { reply: '_INBOX.nobody' } : {});
      }
      if (message % 200 === 0) await nc.flush();
    }
    await nc.flush();
    expectExactLedger(await cluster.succeeded(id), 3 * 60_000);
    for (const process of cluster.processes) {
      const ended = await Promise.race([process.exited, Promise.resolve(null)]);
      expect(ended, `${process.role} ended`).toBe(null);
      expect(await refusedBy(process), process.role).toBeGreaterThan(0);
    }
    await nc.close();
  });
});
