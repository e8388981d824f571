import type { CheckpointManifest, JobPlan } from '@downpour/contracts';
import { captureShardReplySchema, composeCheckpointReplySchema, objects, subjects } from '@downpour/contracts';
import {
  connectNats,
  KvPlanRepository,
  NatsCoordinatorPort,
  NatsParameterClient,
  NatsSnapshotStore,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { originOf } from '@downpour/parameters';
import { fakePushes } from '@downpour/parameters/fakes';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import { readSafetensors, startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakePlan } from '../fakes.ts';
import { shardService } from '../shard.service-definition.ts';

/** Three runs of a vector, and slices of the server's 1 MB. */
const LENGTH = 700_000;
const RULE = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;

describe('checkpoints over NATS', () => {
  let nats: NatsServer;
  let link: NatsLink;
  let requests: RequestClient;
  let plans: PlanWatcher;
  let repository: KvPlanRepository;
  let store: ObjectStore;
  let service: RunningService<unknown>;
  let coordinator: NatsCoordinatorPort;

  const putPlan = async (plan: JobPlan): Promise<void> => {
    await repository.put(plan, (await repository.get(plan.jobId))?.revision ?? null);
    await until('the plan', () => JSON.stringify(plans.current(plan.jobId)) === JSON.stringify(plan));
  };
  const planOf = (jobId: string, shards: number, ownership = 1): JobPlan =>
    fakePlan({
      jobId,
      owners: new Array<string>(shards).fill(service.context.instance),
      length: LENGTH,
      rule: RULE,
      ownership,
    });
  const clientOf = (plan: JobPlan) =>
    new NatsParameterClient({ requests, publisher: new PushPublisher(link), plans, plan, instance: 'worker-a' });
  const pull = async (client: NatsParameterClient, plan: JobPlan) => {
    const versions = plan.shards.map(() => -1);
    return client.pull({ vector: new Float32Array(LENGTH), versions }, AbortSignal.timeout(20_000));
  };
  const push = async (client: NatsParameterClient, plan: JobPlan, from: number, to: number): Promise<void> => {
    const headers = fakePushes({ jobId: plan.jobId, shard: 0, chunks: plan.chunks });
    for (let at = from; at < to; at++) {
      const { epoch, chunk, push: index, examples } = headers[at]!;
      const gradient = Float32Array.from({ length: LENGTH }, (_, value) => ((value * (at + 1)) % 101) - 50);
      const versions = plan.shards.map(() => at);
      await client.push({ gradient, epoch, chunk, push: index, versions, examples }, AbortSignal.timeout(20_000));
    }
    await until(`version ${to}`, async () => (await pull(client, plan)).versions.every((version) => version === to));
  };
  const compose = async (jobId: string, checkpoint: number): Promise<CheckpointManifest> => {
    const request = { type: 'composeCheckpoint', v: 1, jobId, checkpoint, why: 'requested' };
    const reply = await requests.request(subjects.composeCheckpoint, request, undefined, {
      reply: composeCheckpointReplySchema,
    });
    return reply.header.manifest;
  };

  beforeAll(async () => {
    nats = await startNatsServer();
    service = await startService({ ...shardService(), env: { NATS_URL: nats.url, LOG_LEVEL: 'silent' } });
    link = await connectNats({ servers: nats.url });
    requests = new RequestClient(link);
    plans = await PlanWatcher.start(link);
    repository = new KvPlanRepository(link);
    store = new ObjectStore(link);
    coordinator = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
  });
  afterAll(async () => {
    await plans.stop();
    requests.close();
    await link.close();
    await service.stop();
    await nats.stop();
  });

  it('are written from what the owners hold, read by Python, and begun from with another number of shards', async (context) => {
    const plan = planOf('job-a', 2);
    await coordinator.createStreams(plan.jobId, { storage: 'file', replicas: 1 });
    const initial = Float32Array.from({ length: LENGTH }, (_, index) => Math.sin(index));
    await store.put(objects.initialParameters(plan.jobId), new Uint8Array(initial.buffer));
    await putPlan(plan);
    const client = clientOf(plan);
    await push(client, plan, 0, 5);
    const { vector } = await pull(client, plan);

    const manifest = await compose(plan.jobId, 4);
    expect(manifest).toMatchObject({
      job: 'job-a',
      checkpoint: 4,
      exact: true,
      step: 5,
      epoch: 5 / 8,
      slots: ['m', 'v'],
    });
    const file = await store.get(objects.checkpointModel(plan.jobId, 4));
    expect(manifest.file.bytes).toBe(file.byteLength);
    expect(manifest.file.sha256).toBe(createHash('sha256').update(file).digest('hex'));
    const stored = await store.get(objects.checkpointManifest(plan.jobId, 4));
    expect(JSON.parse(Buffer.from(stored).toString())).toEqual(JSON.parse(JSON.stringify(manifest)));

    const next = planOf('job-b', 3);
    const { layout, chunks, spec } = next;
    const origin = originOf(manifest, { kind: 'resume', layout, chunks, rule: spec.updateRule });
    await coordinator.createStreams(next.jobId, { storage: 'file', replicas: 1 });
    await putPlan({ ...next, origin });
    const nextClient = clientOf(next);
    const begun = await pull(nextClient, next);
    expect(begun.versions).toEqual([5, 5, 5]);
    expect(Buffer.compare(Buffer.from(begun.vector.buffer), Buffer.from(vector.buffer))).toBe(0);
    await push(nextClient, next, 5, 9);
    await push(client, plan, 5, 9);
    const [a, b] = [await pull(client, plan), await pull(nextClient, next)];
    expect(Buffer.compare(Buffer.from(a.vector.buffer), Buffer.from(b.vector.buffer))).toBe(0);
    await client.close();
    await nextClient.close();

    const read = await readSafetensors(file);
    if ('missing' in read) return context.skip(read.missing);
    expect(read.metadata).toMatchObject({ job: 'job-a', checkpoint: '4' });
    const sums = new Map(read.tensors.map((tensor) => [tensor.name, tensor]));
    expect([...sums.keys()].sort()).toEqual(
      ['v0', 'v1', 'v2', 'update-rule/m/v0', 'update-rule/m/v1', 'update-rule/v/v0', 'update-rule/v/v1'].sort(),
    );
    for (const { name, shape, offset, length } of plan.layout.variables) {
      const values = vector.subarray(offset, offset + length);
      const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
      expect(sums.get(name)).toEqual({
        name,
        dtype: 'float32',
        shape,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      });
    }
    expect(sums.get('update-rule/v/v0')).toMatchObject({ shape: [LENGTH - 10], dtype: 'float32' });
  });

  it('let go of a paused job, store what they hold first, and go on from it with the same bits', async () => {
    const plan = { ...planOf('job-c', 2) };
    await coordinator.createStreams(plan.jobId, { storage: 'file', replicas: 1 });
    await store.put(objects.initialParameters(plan.jobId), new Uint8Array(new Float32Array(LENGTH).buffer));
    await putPlan(plan);
    const client = clientOf(plan);
    await push(client, plan, 0, 3);
    const before = await pull(client, plan);
    await putPlan({ ...plan, phase: 'paused' });
    await until('a snapshot of each shard', async () => {
      const lists = await Promise.all([0, 1].map((shard) => new NatsSnapshotStore(store, plan.jobId, shard).list()));
      return lists.every(({ length }) => length === 1);
    });
    const ask = { type: 'captureShard', v: 1, jobId: plan.jobId, shard: 0, ownership: 1, capture: 'x' };
    const options = { reply: captureShardReplySchema };
    await expect(
      requests.request(subjects.captureShard(service.context.instance), ask, undefined, options),
    ).rejects.toMatchObject({ code: 'not-owner' });
    await putPlan({ ...plan, phase: 'training' });
    const after = await pull(client, plan);
    expect(after.versions).toEqual([3, 3]);
    expect(Buffer.compare(Buffer.from(after.vector.buffer), Buffer.from(before.vector.buffer))).toBe(0);
    await client.close();
  });

  it('say why they cannot be written', async () => {
    await expect(compose('job-none', 1)).rejects.toMatchObject({ code: 'not-found', message: /has no plan/ });
    await putPlan(fakePlan({ jobId: 'job-d', owners: [null] }));
    await expect(compose('job-d', 1)).rejects.toMatchObject({ code: 'unavailable', message: /has no owner/ });
    expect(await store.exists(objects.checkpointModel('job-d', 1))).toBe(false);
  });
});
