import type { CheckpointSummary, JobRecord } from '@downpour/contracts';
import { objects } from '@downpour/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpoint as example, checkpointManifest } from '../openapi/examples.ts';
import { Harness, problemOf, SPEC } from '../testing/harness.ts';

const complete = (number: number, part: Partial<CheckpointSummary> = {}): CheckpointSummary => ({
  ...example,
  number,
  ...part,
});

describe('pauses and checkpoints over HTTP', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  const act = (id: string, what: string) => harness.fetch(`/v1/jobs/${id}/${what}`, { method: 'POST' });
  const body = async <T>(response: Promise<Response>): Promise<T> => (await (await response).json()) as T;
  const job = async (change: Partial<JobRecord> = {}): Promise<string> => {
    const { id } = await harness.submit();
    await harness.change(id, change);
    return id;
  };
  /** As a parameter shard would have written it. */
  const store = async (id: string, number: number): Promise<void> => {
    await harness.objects.put(objects.checkpointModel(id, number), new Uint8Array(3_000_000).fill(number));
    const manifest = {
      ...checkpointManifest,
      job: id,
      checkpoint: number,
      spec: { ...checkpointManifest.spec, model: { zoo: 'mlp' } },
    };
    await harness.objects.put(objects.checkpointManifest(id, number), Buffer.from(JSON.stringify(manifest)));
  };

  it('pauses a job that waits, resumes it, and cancels it while it is paused', async () => {
    const id = await job();
    expect((await act(id, 'pause')).status).toBe(200);
    expect(['pausing', 'paused']).toContain((await body<JobRecord>(act(id, 'pause'))).state);
    await expect.poll(async () => (await harness.jobs.get(id))?.value.state, { timeout: 10_000 }).toBe('paused');
    expect((await body<JobRecord>(act(id, 'resume'))).state).toBe('queued');
    expect((await body<JobRecord>(act(id, 'resume'))).state).toBe('queued');
    await act(id, 'pause');
    expect((await body<JobRecord>(act(id, 'cancel'))).state).toBe('cancelled');
    for (const what of ['pause', 'resume'])
      expect((await problemOf(await act(id, what))).detail).toMatch(/has cancelled|has cancelled already/);
    expect((await problemOf(await act('job-none', 'pause'))).status).toBe(404);
  });

  it('says why there is no checkpoint to be taken', async () => {
    const detail = async (state: JobRecord['state']) => {
      const id = await job({ state, finishedAt: state === 'failed' ? new Date().toISOString() : null });
      const response = await act(id, 'checkpoints');
      return response.status === 202 ? null : (await problemOf(response)).detail;
    };
    expect(await detail('queued')).toContain('nothing to write yet');
    expect(await detail('failed')).toContain('has failed already');
  });

  it('lists checkpoints and hands out their files as they are stored', async () => {
    const id = await job({
      state: 'failed',
      checkpoints: [complete(1), complete(4), complete(5, { state: 'failed', reason: 'no room' })],
    });
    await store(id, 4);
    const { checkpoints } = await body<{ checkpoints: CheckpointSummary[] }>(
      harness.fetch(`/v1/jobs/${id}/checkpoints`),
    );
    expect(checkpoints.map(({ number, state }) => [number, state])).toEqual([
      [1, 'complete'],
      [4, 'complete'],
      [5, 'failed'],
    ]);
    expect(await body(harness.fetch(`/v1/jobs/${id}/checkpoints/4`))).toMatchObject({ number: 4, exact: true });
    const model = await harness.fetch(`/v1/jobs/${id}/checkpoints/4/model.safetensors`);
    expect(model.headers.get('content-length')).toBe('3000000');
    expect(new Set(new Uint8Array(await model.arrayBuffer()))).toEqual(new Set([4]));
    expect(await body(harness.fetch(`/v1/jobs/${id}/checkpoints/4/manifest.json`))).toMatchObject({ checkpoint: 4 });
    const problem = async (path: string) => problemOf(await harness.fetch(`/v1/jobs/${id}/checkpoints/${path}`));
    expect(await problem('9')).toMatchObject({ status: 404 });
    expect(await problem('04')).toMatchObject({ status: 404 });
    expect(await problem('5/model.safetensors')).toMatchObject({
      status: 409,
      detail: expect.stringContaining('no room') as string,
    });
    expect(await problem('x/model.safetensors')).toMatchObject({ status: 404 });
  });

  it('takes jobs that begin from a checkpoint, by its number, and refuses what cannot be', async () => {
    const id = await job({ state: 'failed', checkpoints: [complete(1, { epoch: 1.5 }), complete(2, { epoch: 3 })] });
    await store(id, 1);
    await store(id, 2);
    const taken = await harness.submit({ ...SPEC, epochs: 4, resumeFrom: { job: id } });
    expect(taken.spec.resumeFrom).toEqual({ job: id, checkpoint: 2 });
    const warm = await harness.submit({ ...SPEC, epochs: 1, warmStartFrom: { job: id, checkpoint: 1 } });
    expect(warm.spec.warmStartFrom).toEqual({ job: id, checkpoint: 1 });
    const refusal = async (spec: object) => {
      const { status, errors } = await problemOf(await harness.post({ ...SPEC, epochs: 9, ...spec }));
      return [status, errors?.[0]?.field, errors?.[0]?.message];
    };
    const says = (text: string) => expect.stringContaining(text) as string;
    expect(await refusal({ resumeFrom: { job: 'job-none' } })).toEqual([
      422,
      'resumeFrom.job',
      says('no job job-none'),
    ]);
    expect(await refusal({ warmStartFrom: { job: id, checkpoint: 7 } })).toEqual([
      422,
      'warmStartFrom.checkpoint',
      says('it has 1, 2'),
    ]);
    expect(await refusal({ epochs: 3, resumeFrom: { job: id } })).toEqual([
      422,
      'epochs',
      says('nothing remains of 3'),
    ]);
    const bare = await job();
    expect(await refusal({ resumeFrom: { job: bare } })).toEqual([
      422,
      'resumeFrom.checkpoint',
      says('no checkpoint yet'),
    ]);
    const other = { model: { zoo: 'mlp', hiddenUnits: [7] } };
    expect(await refusal({ ...other, resumeFrom: { job: id } })).toEqual([422, 'resumeFrom', says('units 7')]);
    const both = await problemOf(await harness.post({ ...SPEC, resumeFrom: { job: id }, warmStartFrom: { job: id } }));
    expect([both.status, both.errors?.[0]?.field]).toEqual([400, 'warmStartFrom']);
    const unkept = await problemOf(await harness.post({ ...SPEC, keepLog: true, log: { storage: 'none' } }));
    expect([unkept.status, unkept.errors?.[0]?.field]).toEqual([400, 'keepLog']);
  });
});
