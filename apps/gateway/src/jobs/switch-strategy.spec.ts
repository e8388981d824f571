import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, problemOf, SPEC } from '../testing/harness.ts';

describe('PUT /v1/jobs/:id/strategy', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  const put = (id: string, strategy: unknown) =>
    harness.fetch(`/v1/jobs/${id}/strategy`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(strategy),
    });
  const job = async (spec: Partial<JobSpecInput> = {}, change: Partial<JobRecord> = {}): Promise<string> => {
    const { id } = await harness.submit({ ...SPEC, ...spec });
    await harness.change(id, change);
    return id;
  };
  const get = async (id: string) => (await (await harness.fetch(`/v1/jobs/${id}`)).json()) as JobRecord;

  it('stores what the job is switched to, defaults filled in, and shows it; the spec stays what was submitted', async () => {
    const id = await job();
    expect((await get(id)).strategy).toBeNull();
    const answer = await put(id, { kind: 'sync' });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as JobRecord).strategy).toEqual({ kind: 'sync', backups: 0 });
    expect(await get(id)).toMatchObject({
      strategy: { kind: 'sync', backups: 0 },
      spec: { strategy: { kind: 'async' } },
    });
    expect((await put(id, { kind: 'ssp', staleness: 1 })).status).toBe(200);
    expect((await get(id)).strategy).toMatchObject({ kind: 'ssp', staleness: 1, nPush: 1 });
    expect((await put(id, { kind: 'async' })).status).toBe(200);
    expect((await get(id)).strategy).toMatchObject({ kind: 'async', nFetch: 1 });
  });

  it.each<[string, Partial<JobSpecInput>, object, string]>([
    ['to sandblaster', {}, { kind: 'sandblaster' }, 'to sandblaster'],
    ['from sandblaster', { strategy: { kind: 'sandblaster' } }, { kind: 'async' }, 'or from it'],
    ['to another window', {}, { kind: 'localSgd', localSteps: 8 }, 'every 8 does not fit'],
    [
      'of a window to one without',
      { strategy: { kind: 'async', nFetch: 4, nPush: 4 } },
      { kind: 'sync' },
      'pushes every 4 steps',
    ],
    ['to sync without a log', { log: { storage: 'none' } }, { kind: 'sync' }, 'needs a push log'],
    [
      'to local SGD without a log',
      { log: { storage: 'none' } },
      { kind: 'localSgd', localSteps: 1 },
      'needs a push log',
    ],
    [
      'to fetch seldom where gradients are accumulated',
      { gradientAccumulation: 2 },
      { kind: 'async', nFetch: 2 },
      'nFetch',
    ],
  ])('refuses %s, with the reason', async (_name, spec, strategy, reason) => {
    const problem = await problemOf(await put(await job(spec), strategy));
    expect(problem.status).toBe(422);
    expect(problem.detail).toContain(reason);
  });

  it.each<[string, object, string]>([
    ['an unknown kind', { kind: 'gossip' }, 'kind'],
    ['a wrong option', { kind: 'sync', backups: -1 }, 'backups'],
    ['an option of another kind', { kind: 'sync', staleness: 1 }, 'staleness'],
  ])('refuses %s and names the field', async (_name, strategy, field) => {
    const problem = await problemOf(await put(await job(), strategy));
    expect(problem).toMatchObject({ status: 400, errors: [{ field }] });
  });

  it.each<[JobRecord['state'], string]>([
    ['succeeded', 'has succeeded already'],
    ['failed', 'has failed already'],
    ['cancelled', 'has cancelled already'],
  ])('refuses a job that has %s', async (state, reason) => {
    const id = await job({}, { state, finishedAt: new Date().toISOString() });
    expect(await problemOf(await put(id, { kind: 'sync' }))).toMatchObject({
      status: 409,
      detail: expect.stringContaining(reason) as string,
    });
  });

  it('refuses an unknown job, and what is no JSON', async () => {
    expect((await problemOf(await put('job-none', { kind: 'sync' }))).status).toBe(404);
    const text = { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'sync' };
    expect((await problemOf(await harness.fetch(`/v1/jobs/${await job()}/strategy`, text))).status).toBe(415);
  });

  it('keeps one of two switches at once, and loses neither to the other half-way', async () => {
    const id = await job();
    const wanted = [{ kind: 'sync' }, { kind: 'ssp' }, { kind: 'async', nFetch: 3 }, { kind: 'sync', backups: 1 }];
    const answers = await Promise.all(wanted.map((strategy) => put(id, strategy)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { strategy } = await get(id);
    expect(wanted).toContainEqual(expect.objectContaining({ kind: strategy!.kind }));
  });
});
