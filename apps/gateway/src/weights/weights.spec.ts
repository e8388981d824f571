import type { WeightsRecord } from '@downpour/contracts';
import { objects } from '@downpour/contracts';
import { encodeSafetensorsHeader } from '@downpour/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, problemOf, SPEC } from '../testing/harness.ts';

const MAX_BYTES = 200_000;
const fileOf = (dtype: 'float32' | 'int32' = 'float32'): Buffer<ArrayBuffer> => {
  const { bytes } = encodeSafetensorsHeader([
    { name: 'dense/kernel', dtype, shape: [100, 400] },
    { name: 'dense/bias', dtype, shape: [400] },
  ]);
  return Buffer.concat([bytes, Buffer.alloc(40_400 * 4, 7)]);
};

describe('/v1/weights', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start({ MAX_UPLOAD_BYTES: String(MAX_BYTES) });
  });
  afterAll(() => harness.stop());

  const post = (body: Buffer<ArrayBuffer> | string, type = 'application/octet-stream') =>
    harness.fetch('/v1/weights', { method: 'POST', headers: { 'content-type': type }, body });

  it('takes a safetensors file, stores it as it is, and gives it to jobs until it is deleted', async () => {
    const file = fileOf();
    const response = await post(file);
    expect(response.status).toBe(201);
    const weights = (await response.json()) as WeightsRecord;
    expect(weights).toMatchObject({ bytes: file.byteLength, variables: 2, parameters: 40_400 });
    expect(response.headers.get('location')).toBe(`/v1/weights/${weights.id}`);
    expect(file.equals(await harness.objects.get(objects.weights(weights.id)))).toBe(true);
    const job = await harness.submit({ ...SPEC, initialWeights: weights.id });
    expect(job.spec.initialWeights).toBe(weights.id);

    const remove = () => harness.fetch(`/v1/weights/${weights.id}`, { method: 'DELETE' });
    expect((await remove()).status).toBe(204);
    expect((await problemOf(await remove())).detail).toContain('(any more)');
    const late = await problemOf(await harness.post({ ...SPEC, initialWeights: weights.id }));
    expect([late.status, late.errors?.[0]?.field]).toEqual([422, 'initialWeights']);
  });

  it.each([
    ['no safetensors file', Buffer.from('these are no weights at all'), 422, 'bytes long'],
    ['nothing', Buffer.alloc(0), 422, 'end before their header'],
    ['a file that was cut off', fileOf().subarray(0, 100_000), 422, 'their header describes'],
    ['more than its header says', Buffer.concat([fileOf(), Buffer.alloc(4)]), 422, 'their header describes'],
    ['other types than float32', fileOf('int32'), 422, 'dense/kernel is int32'],
    ['more than the gateway takes', Buffer.concat([fileOf(), Buffer.alloc(100_000)]), 413, 'larger than'],
  ])('refuses %s, and keeps nothing of it', async (_what, body, status, message) => {
    const before = (await harness.objects.list('weights/')).length;
    const problem = await problemOf(await post(body));
    expect(problem.status).toBe(status);
    expect(problem.detail).toContain(message);
    expect(await harness.objects.list('weights/')).toHaveLength(before);
  });

  it('says how to send them, and that a job begins from one thing', async () => {
    expect((await problemOf(await post('{}', 'application/json'))).detail).toContain('application/octet-stream');
    const both = await problemOf(
      await harness.post({ ...SPEC, initialWeights: 'weights-a', warmStartFrom: { job: 'job-a' } }),
    );
    expect([both.status, both.errors?.[0]?.field]).toEqual([400, 'initialWeights']);
    const odd = await problemOf(await harness.post({ ...SPEC, initialWeights: '../x' }));
    expect(odd.errors?.[0]?.message).toContain('POST /v1/weights');
  });
});
