import type { DatasetSummary, JobPlan, PrepareRequest } from '@downpour/contracts';
import {
  chunkTaskSchema,
  errorReplySchema,
  evaluateTaskSchema,
  examplesReplySchema,
  jobPlanSchema,
  jobSpecSchema,
  prepareReplySchema,
  prepareRequestSchema,
  pullReplySchema,
  subjects,
} from '@downpour/contracts';
import {
  ChunkQueues,
  EvaluationQueue,
  NatsParameterClient,
  NatsStrategy,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import { Loopback, MutatedFrames } from '@downpour/nats/testing';
import { decodeFrame } from '@downpour/tensor';
import { fuzzPlan, mutateBytes, mutateValue, SeededRandom, tellFuzz } from '@downpour/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkExamples } from './examples-reply.ts';
import { PrepareController } from './prepare.controller.ts';

const { frames, seed, timeoutMs } = fuzzPlan();
const SUMMARY: DatasetSummary = {
  trainExamples: 50,
  testExamples: 10,
  featureShape: [2],
  featureType: 'float32',
  labelKind: 'class',
  classes: 3,
  labelWidth: 1,
};
const SPEC = jobSpecSchema.parse({ model: { zoo: 'logistic' }, dataset: 'mnist' });
const PLAN: JobPlan = jobPlanSchema.parse({
  v: 1,
  jobId: 'job-a',
  spec: SPEC,
  dataset: { id: 'mnist', summary: SUMMARY },
  topology: {},
  layout: {
    length: 8,
    trainableLength: 8,
    variables: [{ name: 'w', shape: [8], offset: 0, length: 8, trainable: true }],
  },
  chunks: { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs: 2, seed: 1 },
  shards: [
    { shard: 0, ranges: [{ begin: 0, end: 5 }], instance: 'shard-a', ownership: 1 },
    { shard: 1, ranges: [{ begin: 5, end: 8 }], instance: 'shard-b', ownership: 1 },
  ],
  warmstartWorker: null,
  phase: 'training',
});

describe('a worker that is sent nonsense', () => {
  let loopback: Loopback;
  let requests: RequestClient;

  beforeEach(() => {
    loopback = new Loopback();
    requests = new RequestClient(loopback.link);
  });
  const refusals = () => loopback.link.refusals;
  const rejection = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => null,
      (error: unknown) => error ?? 'rejected',
    );

  it(
    'prepares what is a request to prepare, and says of the rest why not',
    async () => {
      const prepared: PrepareRequest[] = [];
      const controller = new PrepareController({
        prepare: async (request) => {
          prepared.push(prepareRequestSchema.parse(request));
          const { jobId } = request;
          return { type: 'prepared', v: 1, jobId, topology: {}, layout: PLAN.layout, loss: 'softmaxCrossEntropy' };
        },
      });
      const strategy = new NatsStrategy(loopback.link, { instance: 'worker-a' });
      strategy.addHandler(subjects.prepare, (frame) => controller.prepare(frame as never));
      strategy.listen(() => undefined);
      const mutated = new MutatedFrames(seed, [
        { header: { type: 'prepare', v: 1, jobId: 'job-a', spec: SPEC, dataset: SUMMARY } },
      ]);
      for (let round = 0; round < frames / 4; round++) {
        const { header } = decodeFrame(await loopback.ask(subjects.prepare, mutated.next()));
        const refusal = errorReplySchema.safeParse(header);
        if (refusal.success) expect(refusal.data.error.code).not.toBe('internal');
        else prepareReplySchema.parse(header);
      }
      expect(refusals().total).toBe(Math.ceil(frames / 4) - prepared.length);
      tellFuzz(`worker: ${frames / 4} mutated requests, ${prepared.length} answered`, refusals().list());
      await strategy.close();
    },
    timeoutMs,
  );

  it(
    'takes parameters from a reply that holds them, and leaves what it has as it is otherwise',
    async () => {
      const plans = { current: () => PLAN, next: () => new Promise<never>(() => undefined) };
      const publisher = new PushPublisher(loopback.link);
      const client = new NatsParameterClient({ requests, publisher, plans, plan: PLAN, instance: 'worker-a' });
      const pulled = (shard: number, version: number) => ({
        type: 'pulled',
        v: 1,
        jobId: 'job-a',
        shard,
        version,
        unchanged: false,
      });
      const values = [Float32Array.of(1, 2, 3, 4, 5), Float32Array.of(6, 7, 8)];
      const samples = values.map((data, shard) => ({
        header: pulled(shard, 3),
        tensors: { parameters: { dtype: 'float32' as const, shape: [data.length], data } },
      }));
      const mutated = new MutatedFrames(seed, samples);
      let answers: Uint8Array[] = [];
      for (const [shard, instance] of ['shard-a', 'shard-b'].entries())
        loopback.link.nc.subscribe(subjects.pull(instance), {
          callback: (_error, { reply }) => loopback.publish(reply!, answers[shard]!),
        });
      let taken = 0;
      for (let round = 0; round < frames / 4; round++) {
        const bad = round % 2;
        answers = [mutated.whole(0), mutated.whole(1)];
        answers[bad] = mutated.next();
        const into = { vector: new Float32Array(8).fill(-1), versions: [-1, -1] };
        const before = refusals().total;
        const error = await rejection(client.pull(into, new AbortController().signal));
        expect(refusals().total - before).toBe(error === null ? 0 : 1);
        const { begin, end } = PLAN.shards[bad]!.ranges[0]!;
        const part = into.vector.subarray(begin, end);
        if (error !== null) {
          expect([...part]).toEqual(new Array(end - begin).fill(-1));
          expect(into.versions[bad]).toBe(-1);
          continue;
        }
        taken += 1;
        const { header, tensors } = decodeFrame(answers[bad]!);
        const reply = pullReplySchema.parse(header);
        expect(reply).toMatchObject({ jobId: 'job-a', shard: bad });
        expect(into.versions[bad]).toBe(reply.version);
        const sent = reply.unchanged ? null : new Float32Array(tensors['parameters']!.data.slice().buffer);
        expect(part).toEqual(sent ?? new Float32Array(end - begin).fill(-1));
      }
      expect(taken).toBeLessThan(frames / 20);
      tellFuzz(`worker: ${frames / 4} mutated replies to pulls, ${taken} taken`, refusals().list());
      await client.close();
    },
    timeoutMs,
  );

  it(
    'takes examples that are as many and of the shape that it asked for, and no others',
    async () => {
      const mutated = new MutatedFrames(seed, [
        {
          header: { type: 'examples', v: 1, examples: 4 },
          tensors: {
            features: { dtype: 'float32', shape: [4, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
            labels: { dtype: 'int32', shape: [4], data: Int32Array.of(0, 1, 2, 0) },
          },
        },
      ]);
      let answer = mutated.whole(0);
      loopback.link.nc.subscribe(subjects.examples, {
        callback: (_error, { reply }) => loopback.publish(reply!, answer),
      });
      const ask = () =>
        requests.request(subjects.examples, {}, undefined, {
          reply: examplesReplySchema,
          check: (frame) => checkExamples(frame, SUMMARY, 4),
        });
      expect((await ask()).header.examples).toBe(4);
      let taken = 0;
      for (let round = 0; round < frames / 4; round++) {
        answer = mutated.next();
        const before = refusals().total;
        const reply = await ask().catch(() => null);
        expect(refusals().total - before).toBe(reply === null ? 1 : 0);
        if (reply === null) continue;
        taken += 1;
        expect(reply.tensors['features']).toMatchObject({ dtype: 'float32', shape: [4, 2], data: { byteLength: 32 } });
        expect(reply.tensors['labels']).toMatchObject({ dtype: 'int32', shape: [4], data: { byteLength: 16 } });
      }
      tellFuzz(`worker: ${frames / 4} mutated replies with examples, ${taken} taken`, refusals().list());
    },
    timeoutMs,
  );

  it(
    'takes from a queue what is a task, and sees to it that the rest does not come again',
    async () => {
      const random = new SeededRandom(seed);
      const chunk = { type: 'chunk', v: 1, jobId: 'job-a', epoch: 1, chunk: 2 };
      const evaluate = { type: 'evaluate', v: 1, jobId: 'job-a', epoch: 1.5, final: false };
      let ended = 0;
      let data: Uint8Array | null = null;
      loopback.link.nc.subscribe('$JS.ACK.>', {
        callback: (_error, message) => {
          if (Buffer.from(message.data).toString().startsWith('+TERM')) ended += 1;
        },
      });
      let serial = 0;
      loopback.onRequest((subject) => {
        if (!subject.includes('MSG.NEXT')) return { subject, data: Buffer.from('{"name":"takers","config":{}}') };
        const given = data;
        data = null;
        if (given === null) return { subject, data: Buffer.from(''), code: 404 };
        serial += 1;
        return { subject: 'task', data: given, reply: `$JS.ACK.s.takers.1.${serial}.${serial}.1700000000000000000.0` };
      });
      const chunks = new ChunkQueues(loopback.link).open('job-a');
      const evaluations = new EvaluationQueue(loopback.link);
      let taken = 0;
      for (let round = 0; round < frames / 4; round++) {
        const sample = round % 2 === 0 ? chunk : evaluate;
        data = random.chance(0.5)
          ? mutateBytes(random, Buffer.from(JSON.stringify(sample)))
          : Buffer.from(JSON.stringify(mutateValue(random, sample)) ?? '');
        const held = round % 2 === 0 ? await chunks.next(0) : await evaluations.next(0);
        if (held === null) continue;
        taken += 1;
        (round % 2 === 0 ? chunkTaskSchema : evaluateTaskSchema).parse(held.task);
        await held.giveBack();
      }
      expect(ended).toBe(Math.ceil(frames / 4) - taken);
      expect(refusals().total).toBe(ended);
      tellFuzz(`worker: ${frames / 4} mutated tasks, ${taken} taken`, refusals().list());
    },
    timeoutMs,
  );
});
