import type { JobSpecInput } from '@downpour/contracts';
import { fuzzPlan, mutateBytes, mutateValue, SeededRandom, until } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeSharder } from '../testing/fake-sharder.ts';
import { Harness, problemOf } from '../testing/harness.ts';
import { openApiDocument } from './document.ts';

const { seed } = fuzzPlan();
/** Each goes over HTTP. */
const REQUESTS = 1000;

const SPECS: JobSpecInput[] = [
  { model: { zoo: 'mlp' }, dataset: 'mnist' },
  {
    name: 'all of it',
    model: { zoo: 'mnist-cnn', dropout: 0.4 },
    dataset: 'fashion-mnist',
    batchSize: 32,
    epochs: 2,
    chunkSize: 512,
    seed: 9,
    strategy: { kind: 'async', nFetch: 2, nPush: 3, warmstartSteps: 4 },
    updateRule: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
    shards: 3,
    placement: 'roundRobin',
    encoding: { gradients: 'int8', parameters: 'bfloat16' },
    evaluateEvery: 0.5,
    stopAt: { metric: 'accuracy', value: 0.9 },
    log: { storage: 'memory', replicas: 1 },
  },
];
const ODD_PARTS = [
  '',
  '%',
  '%00',
  '..',
  '%2e%2e%2f',
  '*',
  '>',
  'a.b',
  'x'.repeat(300),
  '😀',
  '?limit=-1',
  'job-0123456789',
];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
const TYPES = [
  'application/json',
  'application/problem+json',
  'text/plain',
  'multipart/form-data',
  'multipart/form-data; boundary=x',
  '',
  'nonsense',
];

/** What `npm run fuzz:http` does with schemathesis, with mistakes of our own, and the stream of events too. */
describe('requests with mistakes', () => {
  let harness: Harness;
  let sharder: FakeSharder;
  beforeAll(async () => {
    harness = await Harness.start();
    sharder = await FakeSharder.start(harness.nats.url);
    await until('the sharder to be known', async () => {
      const { members } = (await (await harness.fetch('/v1/cluster')).json()) as { members: unknown[] };
      return members.length === 2;
    });
  });
  afterAll(async () => {
    await sharder.stop();
    await harness.stop();
  });

  const answerOf = async (path: string, init: RequestInit): Promise<Response> => {
    const request = `${init.method} ${path} ${JSON.stringify(init.headers)}`;
    const response = await harness
      .fetch(path, { ...init, signal: AbortSignal.timeout(10_000), redirect: 'manual' })
      .catch((cause: unknown) => {
        throw new Error(`${request} was not answered`, { cause });
      });
    const told = `${request}: ${response.status}`;
    expect(response.status, told).toBeLessThan(500);
    if (response.status >= 400 && init.method !== 'HEAD') await problemOf(response.clone());
    return response;
  };
  const drain = (response: Response): Promise<void> | undefined => response.body?.cancel();

  it('in a job are refused with the field, or the job is taken', async () => {
    const random = new SeededRandom(seed);
    let taken = 0;
    for (let round = 0; round < REQUESTS; round++) {
      let spec: unknown = random.pick(SPECS);
      for (let mistakes = 1 + random.below(3); mistakes > 0; mistakes--) spec = mutateValue(random, spec);
      const text = JSON.stringify(spec) ?? '';
      const body = random.chance(0.7) ? text : Buffer.from(mutateBytes(random, Buffer.from(text)));
      const type = random.chance(0.9) ? 'application/json' : random.pick(TYPES);
      const response = await answerOf('/v1/jobs', {
        method: 'POST',
        body,
        headers: type ? { 'content-type': type } : {},
      });
      if (response.status === 201) taken += 1;
      await drain(response);
    }
    // Some mistakes are none; most are.
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(REQUESTS / 2);
  }, 120_000);

  it("in paths, methods, types and bodies are answered as the client's", async () => {
    const random = new SeededRandom(seed + 1);
    const paths = Object.keys(openApiDocument('0').paths ?? {});
    const { id } = await harness.submit();
    for (let round = 0; round < REQUESTS; round++) {
      const method = random.pick(METHODS);
      const path = random
        .pick(paths)
        .replaceAll(/\{[^}]+\}/g, () => (random.chance(0.3) ? id : encodeURI(random.pick(ODD_PARTS))));
      const headers: Record<string, string> = {};
      if (random.chance(0.5)) headers['content-type'] = random.pick(TYPES) || 'a/b';
      if (random.chance(0.2)) headers['last-event-id'] = random.pick(['-1', '1e9', 'x', '99999999999999999999']);
      const hasBody = !['GET', 'HEAD'].includes(method) && random.chance(0.6);
      const body = mutateBytes(random, Buffer.from(JSON.stringify(random.pick(SPECS))));
      const query = random.chance(0.3)
        ? `?${random.pick(['limit', 'state', 'x'])}=${encodeURIComponent(random.pick(ODD_PARTS))}`
        : '';
      await drain(await answerOf(path + query, { method, headers, ...(hasBody && { body: Buffer.from(body) }) }));
    }
    expect((await harness.fetch('/healthz')).status).toBe(200);
  }, 120_000);
});
