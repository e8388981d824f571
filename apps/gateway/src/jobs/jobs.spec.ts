import { randomUUID } from 'node:crypto';
import { objects } from '@downpour/contracts';
import type { JobEvent, JobRecord, ModelGraph } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, problemOf, SPEC } from '../testing/harness.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start({ MAX_SPEC_BYTES: '1MiB' });
});
afterAll(() => harness.stop());

const invalid = (fields: string[]) => expect.arrayContaining(fields.map((field) => expect.objectContaining({ field })));
const dense = { class_name: 'Dense', config: { name: 'd', units: 10, activation: 'softmax' } };
const lambda = { class_name: 'Lambda', config: { name: 'l' } };
const topology = (layers: unknown[]) => ({ topology: { class_name: 'Sequential', config: { name: 'm', layers } } });

describe('POST /v1/jobs', () => {
  it('stores a job with every default filled in, and says where it is', async () => {
    const response = await harness.post(SPEC);
    const job = (await response.json()) as JobRecord;
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(job).toMatchObject({ state: 'queued', name: job.id, spec: { batchSize: 64, epochs: 5, seed: 1 } });
    expect(job).not.toHaveProperty('coordination');
    const stored = await harness.jobs.get(job.id);
    expect(stored?.value.spec).toEqual(job.spec);
  });

  it('says what the job waits for while nobody is alive', async () => {
    const { id } = await harness.submit();
    await until('a reason', async () => {
      const { reason } = (await (await harness.fetch(`/v1/jobs/${id}`)).json()) as JobRecord;
      return reason?.startsWith('waiting for a worker: none is alive; start one with') === true;
    });
  });

  it.each<[string, unknown, number, string[]]>([
    ['zero shards', { ...SPEC, shards: 0 }, 400, ['shards']],
    [
      'a field that does not exist, and two wrong ones',
      { ...SPEC, epochs: 0, seed: -1, epoch: 3 },
      400,
      ['epochs', 'seed', 'epoch'],
    ],
    ['no model', { dataset: 'mnist' }, 400, ['model']],
    ['an unknown model of the zoo', { ...SPEC, model: { zoo: 'vgg' } }, 400, ['model.zoo']],
    ['a wrong field deep inside', { ...SPEC, strategy: { kind: 'async', nPush: 0 } }, 400, ['strategy.nPush']],
    ['another strategy', { ...SPEC, strategy: { kind: 'gossip' } }, 400, ['strategy.kind']],
    ['an array', [SPEC], 400, ['']],
    ['null', null, 400, ['']],
    [
      'an unknown layer',
      { ...SPEC, model: topology([lambda, dense]) },
      422,
      ['model.topology.config.layers[0].class_name'],
    ],
    [
      'a model of another input',
      { ...SPEC, model: topology([{ ...dense, config: { ...dense.config, batch_input_shape: [null, 5] } }]) },
      422,
      ['model.topology.config.layers[0].config.batch_input_shape'],
    ],
    ['an unknown data set', { ...SPEC, dataset: 'cifar' }, 422, ['dataset']],
    ['a data set that is a path', { ...SPEC, dataset: '../jobs/x' }, 422, ['dataset']],
    ['a batch larger than the data', { ...SPEC, batchSize: 60_001 }, 422, ['batchSize']],
    ['a chunk smaller than a batch', { ...SPEC, batchSize: 64, chunkSize: 63 }, 422, ['chunkSize']],
    ['copies of the log without servers for them', { ...SPEC, log: { replicas: 3 } }, 422, ['log.replicas']],
    ['a number of copies that NATS has not', { ...SPEC, log: { replicas: 2 } }, 400, ['log.replicas']],
    ['a log too small for anything', { ...SPEC, log: { maxBytes: 1000 } }, 400, ['log.maxBytes']],
    ['a size of no log', { ...SPEC, log: { storage: 'none', maxBytes: 2 ** 30 } }, 422, ['log.maxBytes']],
    ['a weight for some classes', { ...SPEC, classWeights: [1, 2] }, 422, ['classWeights']],
    ['smoothing all of a label', { ...SPEC, labelSmoothing: 1 }, 400, ['labelSmoothing']],
    [
      'metrics of numbers, and all classes as the likeliest',
      { ...SPEC, metrics: ['meanSquaredError', 'topK'], topK: 10 },
      422,
      ['metrics', 'topK'],
    ],
    ['stopping by what is not evaluated', { ...SPEC, stopAt: { metric: 'recall', value: 1 } }, 400, ['stopAt.metric']],
    ['an accuracy in percent', { ...SPEC, stopAt: { metric: 'accuracy', value: 99 } }, 422, ['stopAt.value']],
  ])('refuses %s and names the field', async (_name, body, status, fields) => {
    const problem = await problemOf(await harness.post(body));
    expect(problem.status).toBe(status);
    expect(problem.errors).toEqual(invalid(fields));
    expect(problem.errors).toHaveLength(fields.length);
  });

  it.each<[string, RequestInit, number]>([
    ['bad JSON', { body: '{"model":' }, 400],
    ['an empty body', { body: '' }, 400],
    ['a poisoned prototype', { body: '{"__proto__":{"a":1},"model":{"zoo":"mlp"},"dataset":"mnist"}' }, 400],
    ['text', { body: 'hello', headers: { 'content-type': 'text/plain' } }, 415],
    ['a form', { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['XML', { body: '<a/>', headers: { 'content-type': 'application/xml' } }, 415],
    ['another charset', { body: '{}', headers: { 'content-type': 'application/json; charset=utf-16' } }, 400],
  ])('refuses %s', async (_name, init, status) => {
    const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string>) };
    const problem = await problemOf(await harness.fetch('/v1/jobs', { method: 'POST', ...init, headers }));
    expect(problem.status).toBe(status);
  });

  it('refuses a spec of 50 MB, however it is sent', async () => {
    const body = JSON.stringify({ ...SPEC, name: 'x'.repeat(50_000_000) });
    expect(await problemOf(await harness.post(body))).toMatchObject({ status: 413, code: 'too-large' });
    const stream = new Blob([body]).stream();
    const chunked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: stream, duplex: 'half' };
    expect(await problemOf(await harness.fetch('/v1/jobs', chunked as RequestInit))).toMatchObject({ status: 413 });
  });

  it('takes nesting of any depth without harm', async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const response = await harness.post(`{"model":{"topology":{"a":${deep}}},"dataset":"mnist"}`);
    expect((await problemOf(response)).status).toBeLessThan(500);
  });
});

describe('GET /v1/jobs', () => {
  it('lists the newest first, as many as wanted, in the states wanted', async () => {
    const names = ['one', 'two', 'three'];
    const ids: string[] = [];
    for (const name of names) ids.push((await harness.submit({ ...SPEC, name })).id);
    await harness.post({}, `/v1/jobs/${ids[1]}/cancel`);
    const list = async (query: string) => {
      const { jobs } = (await (await harness.fetch(`/v1/jobs${query}`)).json()) as { jobs: JobRecord[] };
      return jobs.map(({ name }) => name);
    };
    expect(await list('?limit=3')).toEqual(['three', 'two', 'one']);
    expect(await list('?limit=1&state=cancelled')).toEqual(['two']);
    expect(await list('?limit=2&state=queued,preparing')).toEqual(['three', 'one']);
  });

  it.each(['?limit=0', '?limit=abc', '?limit=1e9', '?state=done', '?stat=queued'])('refuses %s', async (query) => {
    expect((await problemOf(await harness.fetch(`/v1/jobs${query}`))).status).toBe(400);
  });
});

describe('GET /v1/jobs/:id', () => {
  it.each(['nope', '%2e%2e%2fx', 'A%00', '*', '>', encodeURIComponent('ü'), 'x'.repeat(90)])(
    'answers 404 for %s',
    async (id) => {
      for (const path of ['', '/events', '/model', '/ledger']) {
        expect((await problemOf(await harness.fetch(`/v1/jobs/${id}${path}`))).status).toBe(404);
      }
      expect((await problemOf(await harness.post({}, `/v1/jobs/${id}/cancel`))).status).toBe(404);
    },
  );
});

describe('POST /v1/jobs/:id/cancel', () => {
  it('cancels, again without effect, and not what has ended otherwise', async () => {
    const { id } = await harness.submit();
    const cancel = () => harness.fetch(`/v1/jobs/${id}/cancel`, { method: 'POST' });
    const first = (await (await cancel()).json()) as JobRecord;
    expect(first).toMatchObject({ state: 'cancelled', reason: 'Cancelled on request' });
    const second = await cancel();
    expect(second.status).toBe(200);
    expect(((await second.json()) as JobRecord).finishedAt).toBe(first.finishedAt);
    await harness.change(id, { state: 'failed', reason: 'x' });
    expect(await problemOf(await cancel())).toMatchObject({ status: 409, code: 'conflict' });
  });
});

describe('GET /v1/jobs/:id/events', () => {
  const worker = (chunk: number): JobEvent => ({
    type: 'worker',
    at: new Date().toISOString(),
    instance: 'w',
    examples: 64 * chunk,
    examplesPerSecond: 10,
    steps: chunk,
    loss: 0.5,
    accuracy: null,
    epoch: 0,
    chunk,
  });
  /** Reads a stream to its end. */
  const read = async (id: string, headers: Record<string, string> = {}) => {
    const response = await harness.fetch(`/v1/jobs/${id}/events`, { headers });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const text = await response.text();
    const events = [...text.matchAll(/(?:id: (\d+)\n)?event: (\w+)\ndata: (.*)\n\n/g)].map(
      ([, sequence, type, data]) => {
        const event = JSON.parse(data ?? '') as JobEvent;
        expect(event.type).toBe(type);
        return { sequence: Number(sequence), event };
      },
    );
    return { text, events };
  };

  it('sends what was stored, then what happens, and ends with the terminal state', async () => {
    const { id } = await harness.submit();
    await harness.events.publish(id, worker(1));
    const reading = read(id);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await harness.events.publish(id, worker(2));
    await harness.fetch(`/v1/jobs/${id}/cancel`, { method: 'POST' });
    const { text, events } = await reading;
    expect(events.flatMap(({ event }) => (event.type === 'worker' ? [event.chunk] : []))).toEqual([1, 2]);
    expect(events.at(-1)?.event).toMatchObject({ type: 'state', state: 'cancelled' });
    expect(text).toContain(': still here');
    const sequences = events.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  });

  it('goes on after Last-Event-ID', async () => {
    const { id } = await harness.submit();
    for (let chunk = 0; chunk < 5; chunk++) await harness.events.publish(id, worker(chunk));
    await harness.fetch(`/v1/jobs/${id}/cancel`, { method: 'POST' });
    const whole = (await read(id)).events;
    const third = whole.findIndex(({ event }) => event.type === 'worker' && event.chunk === 2);
    const rest = await read(id, { 'last-event-id': String(whole[third]?.sequence) });
    expect(rest.events).toEqual(whole.slice(third + 1));
  });

  it('ends for a job that has ended though its last event is gone', async () => {
    const { id } = await harness.submit();
    await harness.fetch(`/v1/jobs/${id}/cancel`, { method: 'POST' });
    const last = (await read(id)).events.at(-1)?.sequence;
    const { events } = await read(id, { 'last-event-id': String(last) });
    expect(events).toEqual([
      { sequence: Number.NaN, event: expect.objectContaining({ state: 'cancelled' }) as unknown },
    ]);
  });

  it('refuses a Last-Event-ID that is none', async () => {
    const { id } = await harness.submit();
    const response = await harness.fetch(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': 'abc' } });
    expect((await problemOf(response)).errors).toEqual(invalid(['last-event-id']));
  });
});

describe('GET /v1/jobs/:id/model', () => {
  it('has no model while the job is on its way', async () => {
    const { id } = await harness.submit();
    expect(await problemOf(await harness.fetch(`/v1/jobs/${id}/model`))).toMatchObject({ status: 409 });
  });

  it('is a zip of the stored files, byte for byte', async () => {
    const { id } = await harness.submit();
    const weights = Buffer.alloc(3_000_001, randomUUID());
    await harness.objects.put(objects.modelTopology(id), Buffer.from('{"format":"layers-model"}'));
    await harness.objects.put(objects.modelWeights(id), weights);
    await harness.change(id, { state: 'succeeded' });
    const response = await harness.fetch(`/v1/jobs/${id}/model`);
    expect(response.headers.get('content-type')).toBe('application/zip');
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${id}.zip"`);
    const files = unzipSync(new Uint8Array(await response.arrayBuffer()));
    expect(Object.keys(files)).toEqual(['model.json', 'weights.bin']);
    expect(Buffer.from(files['model.json'] ?? []).toString()).toBe('{"format":"layers-model"}');
    expect(weights.equals(files['weights.bin'] ?? new Uint8Array())).toBe(true);
  });
});

describe('partitions of a job', () => {
  it('are refused where they name a layer or a partition that there is not', async () => {
    const refused = async (partitions: object) => problemOf(await harness.post({ ...SPEC, partitions }));
    expect(await refused({ count: 2, devices: { nowhere: 1 } })).toMatchObject({
      status: 422,
      detail: expect.stringMatching(/No layer is named "nowhere"/) as unknown,
    });
    expect(await refused({ count: 2, devices: { '*': 5 } })).toMatchObject({ status: 422 });
    expect(await refused({ count: 2, devices: { '*': '/job:ps/task:1' } })).toMatchObject({ status: 400 });
  });
});

describe('GET /v1/jobs/:id/graph', () => {
  const graphOfJob = (id: string, query = '') => harness.fetch(`/v1/jobs/${id}/graph${query}`);

  it('says that a model is not cut, or not yet', async () => {
    const { id } = await harness.submit();
    expect(await problemOf(await graphOfJob(id))).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/no partitions/) as unknown,
    });
    const cut = await harness.submit({ ...SPEC, partitions: { count: 2 } });
    expect(await problemOf(await graphOfJob(cut.id))).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/when the job is prepared/) as unknown,
    });
  });

  it('adds up partitions and names each tensor once for each partition that reads it', async () => {
    const { id } = await harness.submit({ ...SPEC, partitions: { count: 3 } });
    const node = (layer: string, partition: number, inputs: string[]) => ({
      layer,
      className: 'Dense',
      partition,
      inputs,
      parameters: 10,
      costMs: 0.5,
      outputBytes: 40,
    });
    const nodes = [node('a', 0, ['input']), node('b', 1, ['a']), node('c', 1, ['a']), node('d', 2, ['a', 'b', 'c'])];
    const cut = { partitions: 3, nodes, variables: [] };
    await harness.objects.put(objects.modelCut(id), Buffer.from(JSON.stringify(cut)));
    const graph = (await (await graphOfJob(id)).json()) as ModelGraph;
    expect(graph.partitions[1]).toEqual({ partition: 1, layers: 2, parameters: 20, costMs: 1 });
    expect(graph.edges.map(({ layer, from, to }) => `${layer} ${from}>${to}`)).toEqual([
      'a 0>1',
      'a 0>2',
      'b 1>2',
      'c 1>2',
    ]);
    const drawing = await graphOfJob(id, '?format=svg');
    expect(drawing.headers.get('content-type')).toBe('image/svg+xml');
    expect(await drawing.text()).toMatch(/^<svg [^]*partition 1: 2 layers, 20 parameters[^]*<\/svg>\n$/);
    expect((await graphOfJob(id, '?format=dot')).status).toBe(400);
  });
});

describe('GET /v1/jobs/:id/ledger', () => {
  it('adds up what the shards account for', async () => {
    const { id } = await harness.submit();
    const shard = {
      instance: 's',
      expected: 10,
      applied: 10,
      duplicatesDropped: 2,
      lateDropped: 0,
      badDropped: 0,
      refused: 0,
      examplesApplied: 640,
      examplesDropped: 0,
      badPushes: [],
    };
    await harness.change(id, {
      ledger: [
        { ...shard, shard: 0 },
        { ...shard, shard: 1, applied: 7, badDropped: 1, lateDropped: 1, examplesApplied: 512, examplesDropped: 64 },
      ],
    });
    const ledger = await (await harness.fetch(`/v1/jobs/${id}/ledger`)).json();
    expect(ledger).toMatchObject({
      jobId: id,
      complete: false,
      addsUp: true,
      expected: 20,
      applied: 17,
      lateDropped: 1,
      badDropped: 1,
      missing: 2,
      duplicatesDropped: 4,
    });
  });

  it('says when a shard has settled more than there was, or other examples than its fellows', async () => {
    const { id } = await harness.submit();
    const counts = { duplicatesDropped: 0, lateDropped: 0, badDropped: 0, refused: 0, examplesDropped: 0 };
    const shard = { instance: 's', expected: 10, applied: 10, examplesApplied: 640, badPushes: [], ...counts };
    const addsUp = async (change: object) => {
      await harness.change(id, {
        ledger: [
          { ...shard, shard: 0 },
          { ...shard, shard: 1, ...change },
        ],
      });
      return ((await (await harness.fetch(`/v1/jobs/${id}/ledger`)).json()) as { addsUp: boolean }).addsUp;
    };
    expect(await addsUp({})).toBe(true);
    expect(await addsUp({ applied: 11 })).toBe(false);
    expect(await addsUp({ examplesApplied: 641 })).toBe(false);
  });
});
