import type { ExamplesReply } from '@downpour/contracts';
import {
  DownpourError,
  enqueueEpochReplySchema,
  examplesReplySchema,
  inspectDatasetReplySchema,
  objects,
  subjects,
} from '@downpour/contracts';
import { permutation } from '@downpour/datasets';
import {
  ChunkQueues,
  connectNats,
  KvDatasetRepository,
  KvPlanRepository,
  Membership,
  NatsCoordinatorPort,
  ObjectStore,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import type { TensorFrame } from '@downpour/tensor';
import { startNatsServer } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeCluster, NUMBERS_SPEC, numbersCsv, planOf } from './fakes.ts';
import { sharderService } from './sharder.service-definition.ts';

const startSharder = (nats: NatsServer): Promise<RunningService<unknown>> =>
  startService({ ...sharderService(), env: { NATS_URL: nats.url, LOG_LEVEL: 'silent' } });

describe('data-sharders over NATS', () => {
  let nats: NatsServer;
  let link: NatsLink;
  let client: RequestClient;
  let sharders: RunningService<unknown>[];

  beforeAll(async () => {
    nats = await startNatsServer();
    sharders = await Promise.all([startSharder(nats), startSharder(nats)]);
    link = await connectNats({ servers: nats.url });
    client = new RequestClient(link);
  });
  afterAll(async () => {
    client.close();
    await link.close();
    await Promise.all(sharders.map((sharder) => sharder.stop()));
    await nats.stop();
  });

  const examples = (more: object): Promise<TensorFrame<ExamplesReply>> =>
    client.request(
      subjects.examples,
      { type: 'examples', v: 1, datasetId: 'mnist', split: 'train', order: null, begin: 0, end: 1, ...more },
      {},
      { reply: examplesReplySchema },
    );
  const errorOf = async (promise: Promise<unknown>): Promise<DownpourError> => {
    const error = await promise.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DownpourError);
    return error as DownpourError;
  };

  it('join the cluster', async () => {
    const membership = await Membership.start(link);
    const instances = membership.members().map(({ role, instance }) => `${role} ${instance}`);
    await membership.stop();
    expect(instances.sort()).toEqual(sharders.map(({ context }) => `data-sharder ${context.instance}`).sort());
  });

  it('send a chunk larger than max_payload, whole: 3,000 images of MNIST in their shuffled order', async () => {
    const { header, tensors } = await examples({ order: { seed: 9, epoch: 4 }, begin: 1000, end: 4000 });
    expect(header.examples).toBe(3000);
    const { features, labels } = tensors;
    expect(features).toMatchObject({ dtype: 'uint8', shape: [3000, 28, 28, 1] });
    expect(features?.data.byteLength).toBe(3000 * 784); // 2.4 MB through 1 MB messages
    const order = permutation(9, 4, 60_000);
    const inFileOrder = await examples({ begin: 0, end: 60_000 });
    const row = order[1000 + 1234]!;
    expect(
      Buffer.compare(
        features!.data.subarray(1234 * 784, 1235 * 784),
        inFileOrder.tensors['features']!.data.subarray(row * 784, (row + 1) * 784),
      ),
    ).toBe(0);
    expect(labels!.data[4 * 1234]).toBe(inFileOrder.tensors['labels']!.data[4 * row]);
  });

  it('answer alike, whichever is asked', async () => {
    const digests = new Set<string>();
    for (let i = 0; i < 8; i++) {
      const { tensors } = await examples({ order: { seed: 1, epoch: 0 }, begin: 0, end: 64 });
      digests.add(createHash('sha256').update(tensors['features']!.data).digest('hex'));
    }
    expect(digests.size).toBe(1);
    const served = await Promise.all(
      sharders.map(({ context }) => context.metrics.getSingleMetric('downpour_examples_served_total')!.get()),
    );
    for (const metric of served) expect(metric.values[0]?.value).toBeGreaterThan(0);
  });

  it('inspect an upload from the object store, and serve it once it is registered', async () => {
    const bytes = numbersCsv(50);
    const digest = createHash('sha256').update(bytes).digest('hex');
    await new ObjectStore(link).put(objects.datasetFile(digest), bytes);
    const files = [{ field: 'train', digest, bytes: bytes.byteLength }];
    const { header } = await client.request(
      subjects.inspectDataset,
      { type: 'inspectDataset', v: 1, datasetId: 'numbers', source: { kind: 'uploaded', spec: NUMBERS_SPEC, files } },
      {},
      { reply: inspectDatasetReplySchema },
    );
    expect(header.summary).toMatchObject({ trainExamples: 50, featureShape: [1], labelKind: 'number' });
    const record = new FakeCluster().upload('numbers', NUMBERS_SPEC, { train: bytes });
    await new KvDatasetRepository(link).put({ ...record, summary: header.summary });
    const { tensors } = await examples({ datasetId: 'numbers', begin: 48, end: 50 });
    expect([...new Float32Array(new Uint8Array(tensors['labels']!.data).buffer)]).toEqual([480, 490]);
  });

  it('inspect built-in data sets', async () => {
    const { header } = await client.request(
      subjects.inspectDataset,
      { type: 'inspectDataset', v: 1, datasetId: 'mnist', source: { kind: 'builtIn' } },
      {},
      { reply: inspectDatasetReplySchema },
    );
    expect(header.summary).toMatchObject({ trainExamples: 60_000, testExamples: 10_000, classes: 10 });
  });

  it('say what is wrong with an upload, over the wire', async () => {
    const bytes = Buffer.from('a,label\n1,2\nNaN,3\n');
    const digest = createHash('sha256').update(bytes).digest('hex');
    await new ObjectStore(link).put(objects.datasetFile(digest), bytes);
    const source = {
      kind: 'uploaded',
      spec: NUMBERS_SPEC,
      files: [{ field: 'train', digest, bytes: bytes.byteLength }],
    };
    const request = { type: 'inspectDataset', v: 1, datasetId: 'bad', source };
    const error = await errorOf(client.request(subjects.inspectDataset, request));
    expect(error).toMatchObject({ code: 'invalid-dataset', field: 'train' });
    expect(error.message).toContain('line 3, column "a" is "NaN"');
  });

  it('refuse what is no request', async () => {
    expect(await errorOf(client.request(subjects.examples, { type: 'examples', v: 1 }))).toMatchObject({
      code: 'invalid-request',
    });
    expect(await errorOf(examples({ begin: -1 }))).toMatchObject({ code: 'invalid-request', field: 'begin' });
    expect(await errorOf(examples({ begin: 59_999, end: 60_001 }))).toMatchObject({
      code: 'invalid-request',
      field: 'end',
    });
    expect(await errorOf(examples({ datasetId: 'nothing' }))).toMatchObject({ code: 'not-found' });
  });

  it('enqueue every chunk of an epoch once, even when both are asked at once and again', async () => {
    const plan = planOf('job-1', 'mnist', { examples: 60_000, chunkSize: 1024, epochs: 3 });
    await new KvPlanRepository(link).put(plan, null);
    const queue = new ChunkQueues(link).open('job-1');
    await createStreams(link, 'job-1');
    const enqueue = (epoch: number) =>
      client.request(
        subjects.enqueueEpoch,
        { type: 'enqueueEpoch', v: 1, jobId: 'job-1', epoch },
        {},
        { reply: enqueueEpochReplySchema },
      );
    const replies = await Promise.all([0, 0, 0, 0].map(enqueue));
    for (const { header } of replies) expect(header.chunks).toBe(59);
    await enqueue(1);
    expect(await queue.pending()).toBe(118);
    const first = await queue.next(5000);
    expect(first?.task).toEqual({ type: 'chunk', v: 1, jobId: 'job-1', epoch: 0, chunk: 0 });
    await first?.done();
    await queue.close();
    expect(
      await errorOf(client.request(subjects.enqueueEpoch, { type: 'enqueueEpoch', v: 1, jobId: 'job-2', epoch: 0 })),
    ).toMatchObject({ code: 'not-found' });
  });

  it('leave in good order: the other goes on, and requests under way are answered', async () => {
    const leaving = await startSharder(nats);
    const asked = Array.from({ length: 30 }, () => examples({ begin: 0, end: 500 }));
    await leaving.stop();
    for (const { header } of await Promise.all(asked)) expect(header.examples).toBe(500);
    const membership = await Membership.start(link);
    expect(membership.members().some(({ instance }) => instance === leaving.context.instance)).toBe(false);
    await membership.stop();
  });
});

const createStreams = async (link: NatsLink, jobId: string): Promise<void> => {
  const port = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
  await port.createStreams(jobId, { storage: 'memory', replicas: 1 });
};
