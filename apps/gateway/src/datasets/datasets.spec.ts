import { createHash, randomBytes } from 'node:crypto';
import type { DatasetRecord, DatasetSpec } from '@downpour/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeSharder, SUMMARY } from '../testing/fake-sharder.ts';
import { Harness, problemOf } from '../testing/harness.ts';

const MAX_BYTES = 2_000_000;
const CSV: DatasetSpec = {
  name: 'irises',
  format: 'csv',
  header: true,
  labelColumn: 'species',
  labelKind: 'class',
  normalisation: 'standard',
  testShare: 0.1,
};
let harness: Harness;
let sharder: FakeSharder;
beforeAll(async () => {
  harness = await Harness.start({ MAX_UPLOAD_BYTES: String(MAX_BYTES) });
});
afterAll(() => harness.stop());
beforeEach(async () => {
  sharder = await FakeSharder.start(harness.nats.url);
});
afterEach(() => sharder.stop());

type Parts = [field: string, content: string | Uint8Array][];
function formOf(spec: unknown, files: Parts): FormData {
  const form = new FormData();
  if (spec !== undefined) form.append('spec', typeof spec === 'string' ? spec : JSON.stringify(spec));
  for (const [field, content] of files) form.append(field, new Blob([content as string]), `${field}.csv`);
  return form;
}
const upload = (body: FormData) => harness.fetch('/v1/datasets', { method: 'POST', body });
const digestOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const stored = async () => (await harness.objects.list()).map(({ name }) => name).sort();

describe('POST /v1/datasets', () => {
  it('stores the files under their SHA-256 and registers what the sharder found', async () => {
    const train = Buffer.concat([Buffer.from('a,species\n'), randomBytes(1_500_000)]);
    const response = await upload(
      formOf(CSV, [
        ['train', train],
        ['test', 'a,species\n1,x\n'],
      ]),
    );
    const dataset = (await response.json()) as DatasetRecord;
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`/v1/datasets/${dataset.id}`);
    expect(dataset).toMatchObject({
      name: 'irises',
      builtIn: false,
      spec: CSV,
      summary: SUMMARY,
      bytes: train.length + 14,
    });
    expect(dataset.files).toEqual([
      { field: 'test', digest: digestOf('a,species\n1,x\n'), bytes: 14 },
      { field: 'train', digest: digestOf(train), bytes: train.length },
    ]);
    expect(Buffer.from(await harness.objects.get(`datasets/${digestOf(train)}`)).equals(train)).toBe(true);
    expect((await harness.fetch(`/v1/datasets/${dataset.id}`)).status).toBe(200);
    const { datasets } = (await (await harness.fetch('/v1/datasets')).json()) as { datasets: DatasetRecord[] };
    expect(datasets.map(({ id }) => id)).toEqual(['mnist', 'fashion-mnist', dataset.id]);
  });

  it('stores the same upload once and answers with the same data set', async () => {
    const form = () => formOf(CSV, [['train', 'the same']]);
    const first = await upload(form());
    const objects = await stored();
    const again = await upload(form());
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(await again.json()).toEqual(await first.json());
    expect(await stored()).toEqual(objects);
    expect(sharder.inspected).toHaveLength(1);
  });

  it('shares the bytes between data sets that say different things of them', async () => {
    const before = await stored();
    const ids = new Set<string>();
    for (const name of ['one', 'two']) {
      const response = await upload(formOf({ ...CSV, name }, [['train', 'shared']]));
      ids.add(((await response.json()) as DatasetRecord).id);
    }
    expect(ids.size).toBe(2);
    expect((await stored()).length - before.length).toBe(1);
  });

  it('copes with the same upload twice at once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => upload(formOf(CSV, [['train', 'at once']]))));
    const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as DatasetRecord).id));
    expect(new Set(ids).size).toBe(1);
    expect((await stored()).filter((name) => name.startsWith('uploads/'))).toEqual([]);
    expect(await harness.objects.exists(`datasets/${digestOf('at once')}`)).toBe(true);
  });

  it('says what is wrong with the data, and keeps nothing of it', async () => {
    const before = await stored();
    const problem = await problemOf(await upload(formOf(CSV, [['train', 'bad']])));
    expect(problem).toMatchObject({ status: 422, code: 'invalid-dataset', detail: 'train line 2 is bad' });
    expect(problem.errors).toEqual([{ field: 'train', message: 'train line 2 is bad' }]);
    expect(await stored()).toEqual(before);
  });

  it('keeps bytes that another data set uses when an upload of them fails', async () => {
    await upload(formOf(CSV, [['train', 'in use']]));
    const problem = await problemOf(
      await upload(
        formOf(CSV, [
          ['train', 'in use'],
          ['test', 'bad'],
        ]),
      ),
    );
    expect(problem.status).toBe(422);
    expect(await harness.objects.exists(`datasets/${digestOf('in use')}`)).toBe(true);
    expect(await harness.objects.exists(`datasets/${digestOf('bad')}`)).toBe(false);
  });

  it.each<[string, FormData, number, string]>([
    ['no spec', formOf(undefined, [['train', 'x']]), 400, 'spec'],
    ['a spec that is no JSON', formOf('{', [['train', 'x']]), 400, 'spec'],
    ['an unknown format', formOf({ name: 'x', format: 'parquet' }, [['train', 'x']]), 400, 'format'],
    ['no label column', formOf({ name: 'x', format: 'csv' }, [['train', 'x']]), 400, 'labelColumn'],
    ['no file', formOf(CSV, []), 422, 'train'],
    [
      'a file that the format has not',
      formOf(CSV, [
        ['train', 'x'],
        ['labels', 'x'],
      ]),
      422,
      'labels',
    ],
    [
      'two files of one name',
      formOf(CSV, [
        ['train', 'x'],
        ['train', 'y'],
      ]),
      400,
      'train',
    ],
  ])('refuses %s and names the field, storing nothing', async (_name, form, status, field) => {
    const before = await stored();
    const problem = await problemOf(await upload(form));
    expect(problem.status).toBe(status);
    expect(problem.errors?.map((error) => error.field)).toContain(field);
    expect(await stored()).toEqual(before);
  });

  it('refuses text where a file should be, too many files, and what is no form', async () => {
    const text = formOf(CSV, []);
    text.append('train', 'a,b');
    expect((await problemOf(await upload(text))).status).toBe(400);
    const many = formOf(
      CSV,
      Array.from({ length: 30 }, (_, i) => [`f${i}`, 'x'] as [string, string]),
    );
    expect((await problemOf(await upload(many))).status).toBe(400);
    expect((await problemOf(await harness.post({}, '/v1/datasets'))).status).toBe(415);
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    for (const body of ['', '--x', '--x\r\n\r\n', '--x--\r\n', 'garbage']) {
      const response = await harness.fetch('/v1/datasets', { method: 'POST', headers, body });
      expect((await problemOf(response)).status).toBe(400);
    }
    const noBoundary = { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' };
    expect((await problemOf(await harness.fetch('/v1/datasets', noBoundary))).status).toBe(400);
  });

  it('refuses at once what says that it is too large', async () => {
    const { request } = await import('node:http');
    const url = new URL('/v1/datasets', harness.gateway.url);
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const outgoing = request(url, {
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 10_000_000_000 },
      });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          outgoing.destroy();
          resolve({ status: response.statusCode, text });
        });
      });
      outgoing.flushHeaders();
    });
    expect(answer.status).toBe(413);
    expect(answer.text).toContain(`larger than ${MAX_BYTES} bytes`);
  });

  it('cuts off what grows too large while it streams, and keeps nothing of it', async () => {
    const before = await stored();
    const boundary = 'x';
    const head = `--x\r\nContent-Disposition: form-data; name="spec"\r\n\r\n${JSON.stringify(CSV)}\r\n--x\r\nContent-Disposition: form-data; name="train"; filename="t"\r\n\r\n`;
    const stream = ReadableStream.from(
      (function* () {
        yield Buffer.from(head);
        for (let sent = 0; sent < 5 * MAX_BYTES; sent += 65_536) yield Buffer.alloc(65_536);
        yield Buffer.from('\r\n--x--\r\n');
      })(),
    );
    const init = {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
      body: stream,
      duplex: 'half',
    };
    expect(await problemOf(await harness.fetch('/v1/datasets', init as RequestInit))).toMatchObject({
      status: 413,
      code: 'too-large',
    });
    expect(await stored()).toEqual(before);
  });

  it('keeps nothing of an upload whose client goes away', async () => {
    const before = await stored();
    const controller = new AbortController();
    const stream = new ReadableStream({
      start(sink) {
        sink.enqueue(
          Buffer.from(
            `--x\r\nContent-Disposition: form-data; name="spec"\r\n\r\n${JSON.stringify(CSV)}\r\n--x\r\nContent-Disposition: form-data; name="train"; filename="t"\r\n\r\nhalf a file`,
          ),
        );
        setTimeout(() => controller.abort(), 200);
      },
    });
    const init = {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: stream,
      duplex: 'half',
      signal: controller.signal,
    };
    await expect(harness.fetch('/v1/datasets', init as RequestInit)).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await stored()).toEqual(before);
    expect((await upload(formOf(CSV, [['train', 'still serves']]))).status).toBe(201);
  });

  it('says that no sharder is alive before the bytes are sent', async () => {
    await sharder.stop();
    const response = await upload(formOf(CSV, [['train', 'x']]));
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await problemOf(response)).toMatchObject({
      status: 503,
      detail: expect.stringContaining('No data sharder') as string,
    });
    sharder = await FakeSharder.start(harness.nats.url);
  });

  it('takes jobs on what was uploaded, and checks them against it', async () => {
    sharder.summary = { ...SUMMARY, labelKind: 'number', classes: 0 };
    const { id } = (await (await upload(formOf(CSV, [['train', 'numbers']]))).json()) as DatasetRecord;
    const refused = await harness.post({
      model: { zoo: 'mlp' },
      dataset: id,
      batchSize: 91,
      loss: 'softmaxCrossEntropy',
      stopAt: { metric: 'accuracy', value: 1 },
    });
    const { status, errors } = await problemOf(refused);
    expect(status).toBe(422);
    expect(errors?.map(({ field }) => field)).toEqual(['batchSize', 'loss', 'stopAt.metric']);
    expect((await harness.post({ model: { zoo: 'mlp' }, dataset: id, batchSize: 8 })).status).toBe(201);
  });
});

describe('GET /v1/datasets/:id', () => {
  it('knows the built-in ones without anybody reading them', async () => {
    const response = await harness.fetch('/v1/datasets/fashion-mnist');
    expect(await response.json()).toMatchObject({ builtIn: true, summary: { trainExamples: 60_000, classes: 10 } });
  });

  it.each(['nope', '..%2fx', '*', '%00'])('answers 404 for %s', async (id) => {
    expect((await problemOf(await harness.fetch(`/v1/datasets/${id}`))).status).toBe(404);
  });
});
