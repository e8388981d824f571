import { createHash } from 'node:crypto';
import type { JobEvent } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
const SPEC = { model: { zoo: 'mlp' }, dataset: 'mnist', batchSize: 128, seed: 3 } as const;

describe('pauses and checkpoints', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
  });
  afterAll(() => cluster?.stop());

  const reach = (id: string, epochs: number) =>
    until(
      `${epochs} epochs of ${id}`,
      async () => ((await cluster.client.job(id)).progress?.epochsDone ?? 0) >= epochs,
      120_000,
      100,
    );
  const paused = async (id: string) => {
    await cluster.client.pause(id);
    const job = await cluster.client.untilState(id, ['paused'], { signal: AbortSignal.timeout(60_000), pollMs: 100 });
    expect(job.state, `${job.reason}\n${cluster.logs()}`).toBe('paused');
    return job;
  };
  const heldShards = async () =>
    (await cluster.client.members())
      .filter(({ role }) => role === 'parameter-shard')
      .reduce((sum, { details }) => sum + Number(details['shards']), 0);
  const file = async (id: string, number: number) =>
    Buffer.from(await new Response(await cluster.client.checkpointModel(id, number)).arrayBuffer());

  it('lets go of a paused job, keeps it over the death of the gateway and every shard, and goes on where it was', async () => {
    const { id } = await cluster.client.submit({ ...SPEC, epochs: 3, shards: 3 });
    await reach(id, 0.5);
    const before = await paused(id);
    expect(await cluster.client.pause(id)).toMatchObject({ state: 'paused' });
    await until('the shards to be let go of', async () => (await heldShards()) === 0, 10_000);
    const [checkpoint] = before.checkpoints;
    expect(checkpoint).toMatchObject({ number: 1, why: 'pause', state: 'complete', exact: true });

    await cluster.replaceGateway();
    for (const shard of cluster.of('parameter-shard')) shard.signal('SIGKILL');
    await cluster.add('parameter-shard', 2);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const still = await cluster.client.job(id);
    expect(still).toMatchObject({ state: 'paused', progress: { examplesApplied: before.progress!.examplesApplied } });

    await cluster.client.resume(id);
    const job = await cluster.succeeded(id);
    expectExactLedger(job, 3 * EXAMPLES);
    for (const { duplicatesDropped } of job.ledger) expect(duplicatesDropped).toBe(0);
    expect(job.checkpoints.map(({ why, exact }) => [why, exact])).toEqual([
      ['pause', true],
      ['end', true],
    ]);
    // A pause is no training.
    expect(job.result.trainingMs).toBeLessThan(Date.parse(job.finishedAt!) - Date.parse(job.startedAt!) - 3000);
    const events: JobEvent[] = [];
    for await (const event of cluster.client.events(id, AbortSignal.timeout(30_000))) events.push(event);
    const states = events.flatMap((event) => (event.type === 'state' ? [event.state] : []));
    expect(states.filter((state, index) => state !== states[index - 1])).toEqual([
      'queued',
      'preparing',
      'training',
      'pausing',
      'paused',
      'queued',
      'training',
      'finishing',
      'succeeded',
    ]);
    expect(events.filter(({ type }) => type === 'checkpoint').length).toBe(2);
  });

  it('cancels a job that is paused', async () => {
    const { id } = await cluster.client.submit({ ...SPEC, epochs: 100 });
    await reach(id, 0.2);
    await paused(id);
    await cluster.client.cancel(id);
    const job = await cluster.client.untilTerminal(id, { signal: AbortSignal.timeout(30_000) });
    expect(job.state).toBe('cancelled');
    await expect(cluster.client.resume(id)).rejects.toMatchObject({ status: 409 });
  });

  it('goes on from a checkpoint with another number of shards, and to the accuracy of a job that was never interrupted', async () => {
    const rule = { kind: 'adam', learningRate: 0.001 } as const;
    const first = await cluster.client.submit({ ...SPEC, epochs: 4, shards: 2, updateRule: rule });
    await reach(first.id, 1.3);
    const { checkpoints, progress } = await paused(first.id);
    const { number } = checkpoints.at(-1)!;
    const next = await cluster.client.submit({
      ...SPEC,
      epochs: 4,
      shards: 3,
      placement: 'byteBalanced',
      updateRule: { ...rule, learningRate: 0.0005 },
      resumeFrom: { job: first.id },
    });
    expect(next.spec.resumeFrom).toEqual({ job: first.id, checkpoint: number });
    const job = await cluster.succeeded(next.id);
    expectExactLedger(job, 4 * EXAMPLES);
    for (const { duplicatesDropped } of job.ledger) expect(duplicatesDropped).toBe(0);
    expect(job.ledger.length).toBe(3);
    expect(job.origin).toMatchObject({
      kind: 'resume',
      job: first.id,
      checkpoint: number,
      epoch: 1,
      examples: progress!.examplesApplied,
      updateRuleState: 'kept',
    });
    expect(job.result.accuracy).toBeGreaterThan(0.965);
    await cluster.client.cancel(first.id);

    // And once more, after its end, on a single shard: nothing but the evaluation's rounding may differ.
    const more = await cluster.client.submit({ ...SPEC, epochs: 5, shards: 1, resumeFrom: { job: next.id } });
    const last = await cluster.succeeded(more.id);
    expectExactLedger(last, 5 * EXAMPLES);
    expect(last.result.accuracy).toBeGreaterThan(0.965);

    const warm = await cluster.client.submit({ ...SPEC, epochs: 1, shards: 4, warmStartFrom: { job: more.id } });
    const warmed = await cluster.succeeded(warm.id);
    expectExactLedger(warmed, EXAMPLES);
    expect(warmed.result.accuracy).toBeGreaterThan(0.965);
  });

  it('takes checkpoints on request and at an interval, keeps the newest, and gives files that are what the manifest says', async () => {
    const { id } = await cluster.client.submit({
      ...SPEC,
      epochs: 4,
      shards: 2,
      checkpointEvery: 0.5,
      keepCheckpoints: 2,
    });
    await expect(cluster.client.checkpointManifest(id, 1)).rejects.toMatchObject({ status: 404 });
    await reach(id, 0.1);
    const asked = await cluster.client.takeCheckpoint(id);
    expect(asked).toMatchObject({ state: 'pending', why: 'requested' });
    const job = await cluster.succeeded(id);
    expectExactLedger(job, 4 * EXAMPLES);
    const list = await cluster.client.checkpoints(id);
    expect(list.every(({ state }) => state === 'complete')).toBe(true);
    expect(list.filter(({ why }) => why === 'requested').map(({ number }) => number)).toEqual([asked.number]);
    expect(list.filter(({ why }) => why === 'interval').length).toBe(2);
    expect(list.at(-1)).toMatchObject({ why: 'end', exact: true, epoch: 4 });
    for (const { number, digest, bytes } of list) {
      const model = await file(id, number);
      expect(model.byteLength).toBe(bytes);
      expect(createHash('sha256').update(model).digest('hex')).toBe(digest);
      const manifest = await cluster.client.checkpointManifest(id, number);
      expect(manifest.file).toEqual({ name: 'model.safetensors', bytes, sha256: digest });
      expect(manifest.shards.map(({ shard }) => shard)).toEqual([0, 1]);
    }
    await expect(cluster.client.takeCheckpoint(id)).rejects.toMatchObject({ status: 409 });
  });

  it('says plainly what cannot be begun', async () => {
    const { id } = await cluster.client.submit({ ...SPEC, epochs: 1 });
    await cluster.succeeded(id);
    const refusal = (spec: object) =>
      cluster.client.submit({ ...SPEC, epochs: 2, ...spec }).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await refusal({ resumeFrom: { job: 'job-none' } })).toContain('no job job-none');
    expect(await refusal({ resumeFrom: { job: id, checkpoint: 9 } })).toContain('no checkpoint 9 (any more): it has 1');
    expect(await refusal({ epochs: 1, resumeFrom: { job: id } })).toContain('nothing remains of 1');
    expect(await refusal({ model: { zoo: 'logistic' }, resumeFrom: { job: id } })).toContain('another model');
    expect(await refusal({ model: { zoo: 'mlp', hiddenUnits: [7] }, warmStartFrom: { job: id } })).toContain('units 7');
  });
});
