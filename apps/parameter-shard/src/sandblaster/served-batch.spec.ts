import type { JobPlan, PushHeader, PushPullRequest, VectorOperation } from '@downpour/contracts';
import { strategySchema } from '@downpour/contracts';
import { createLog } from '@downpour/platform';
import type { Tensor } from '@downpour/tensor';
import { until } from '@downpour/testing';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeCluster, fakePlan } from '../fakes.ts';
import { ShardMetrics } from '../shard.metrics.ts';
import { ServedBatch } from './served-batch.ts';

/** Three portions of 20, 20 and 10 examples; one shard of 40 values, which begins at 0, 1, 2, ... */
const plan: JobPlan = (() => {
  const fake = fakePlan({ owners: ['a'] });
  const chunks = { ...fake.chunks, nPush: Number.MAX_SAFE_INTEGER, epochs: 9 };
  return { ...fake, chunks, spec: { ...fake.spec, strategy: strategySchema.parse({ kind: 'sandblaster' }) } };
})();
const EXAMPLES = [20, 20, 10];
const storedIn = (cluster: FakeCluster) => cluster.snapshots('job-a', 0).positions;

describe('ServedBatch', () => {
  let cluster: FakeCluster;
  let fenced: boolean;
  beforeEach(() => {
    cluster = new FakeCluster();
    fenced = false;
  });

  const serve = async (ownership = 1): Promise<ServedBatch> => {
    const log = createLog({ level: 'silent', format: 'json', instance: 'a', role: '' });
    const fence = {
      get holds() {
        return !fenced;
      },
      whenHolds: async () => undefined,
    };
    const shared = { instance: 'a', ports: cluster, metrics: new ShardMetrics(new Registry()), log, fence };
    const shard = new ServedBatch(plan, 0, ownership, 10, { ...shared, onNews: () => undefined }, Promise.resolve());
    await until('it serves', () => shard.state === 'serving');
    return shard;
  };
  const restore = (shard: ServedBatch, iteration: number | null, session = 'one') =>
    shard.restore({ type: 'restoreVectors', v: 1, jobId: 'job-a', shard: 0, ownership: 1, session, iteration });
  const operate = (shard: ServedBatch, round: number, operations: VectorOperation[], session = 'one') =>
    shard.operate({
      type: 'vectorOperations',
      v: 1,
      jobId: 'job-a',
      shard: 0,
      ownership: 1,
      session,
      round,
      operations,
    });
  const push = (shard: ServedBatch, epoch: number, chunk: number, version: number, value = 1, more = {}) => {
    const header: PushHeader = {
      ...{ type: 'push', v: 1, jobId: 'job-a', shard: 0, epoch, chunk, push: 0, version, worker: 'w', loss: 5 },
      examples: EXAMPLES[chunk]!,
      ...more,
    };
    const data = new Uint8Array(new Float32Array(40).fill(value).buffer);
    const gradient: Tensor = { dtype: 'float32', shape: [40], data };
    return shard.pushPull({ type: 'pushPull', v: 1, ownership: 1, push: header } as PushPullRequest, gradient);
  };
  const gather = (evaluation: number, version: number): VectorOperation => ({ op: 'gather', evaluation, version });
  const commit = (iteration: number): VectorOperation => ({
    op: 'commit',
    iteration,
    vectors: [],
    state: `${iteration}`,
  });
  const dot: VectorOperation = { op: 'dot', x: 'gradient', y: 'gradient' };
  /** One evaluation and the iteration that it makes, in rounds `round` and the next. */
  const iterate = async (shard: ServedBatch, round: number, evaluation: number, version: number): Promise<void> => {
    operate(shard, round, [gather(evaluation, version)]);
    for (const chunk of [0, 1, 2]) push(shard, evaluation, chunk, version);
    operate(shard, round + 1, [{ op: 'gathered', evaluation }, commit(evaluation)]);
    await until('it is stored', () => storedIn(cluster).includes(evaluation));
  };

  it('does a round once, and answers it again as it was', async () => {
    const shard = await serve();
    await restore(shard, -1);
    const scale: VectorOperation = { op: 'scale', vector: 'point', factor: 2 };
    const point: VectorOperation = { op: 'dot', x: 'point', y: 'point' };
    const squares = Array.from({ length: 40 }, (_, i) => i * i).reduce((a, b) => a + b);
    for (const _ of [1, 2]) expect(operate(shard, 1, [scale, point]).scalars).toEqual([4 * squares]);
    expect(operate(shard, 2, [point]).scalars).toEqual([4 * squares]);
  });

  it('refuses rounds out of turn, of another session, and after one that was half done', async () => {
    const shard = await serve();
    expect(() => operate(shard, 1, [dot])).toThrow('restore an iteration');
    await restore(shard, -1);
    expect(() => operate(shard, 2, [dot])).toThrow('not at round 2');
    expect(() => operate(shard, 1, [dot], 'other')).toThrow('restore an iteration');
    await restore(shard, -1, 'other');
    expect(() => operate(shard, 1, [dot])).toThrow('restore an iteration');
    expect(() => operate(shard, 1, [{ op: 'gathered', evaluation: 0 }], 'other')).toThrow('portions');
    expect(() => operate(shard, 1, [dot], 'other')).toThrow('restore an iteration');
  });

  it('adds up an evaluation, and counts what comes twice or is of another point', async () => {
    const shard = await serve();
    await restore(shard, -1);
    operate(shard, 1, [gather(0, 7)]);
    push(shard, 0, 2, 7);
    push(shard, 0, 2, 7, 100);
    push(shard, 0, 0, 6, 100);
    expect(() => push(shard, 0, 0, 7, 1, { examples: 3 })).toThrow('refused');
    for (const chunk of [0, 1]) push(shard, 0, chunk, 7);
    // The mean over 50 examples, of loss and of gradient.
    const { scalars } = operate(shard, 2, [{ op: 'gathered', evaluation: 0 }, dot]);
    expect(scalars[0]).toBeCloseTo(15 / 50, 12);
    expect(scalars[1]).toBeCloseTo(40 * (3 / 50) ** 2, 6);
    expect(shard.ledger().ledger).toMatchObject({ applied: 3, duplicatesDropped: 2, refused: 1, examplesApplied: 50 });
  });

  it('keeps the newest two iterations; whoever serves it next begins at the newest, and may go back one', async () => {
    const shard = await serve();
    await restore(shard, -1);
    for (const evaluation of [0, 1, 2]) await iterate(shard, 1 + 2 * evaluation, evaluation, 10 + evaluation);
    expect(storedIn(cluster)).toEqual([2, 1]);
    expect(operate(shard, 7, [dot]).stored).toBe(2);
    const next = await serve(2);
    expect(await restore(next, null)).toMatchObject({ iteration: 2, state: '2', version: 12 });
    await expect(restore(next, 0)).rejects.toMatchObject({ code: 'not-found' });
    expect(await restore(next, 1)).toMatchObject({ iteration: 1, state: '1' });
    // What it held of the one that was given up no longer counts.
    expect(next.ledger().ledger.applied).toBe(6);
    // The one that takes the place of the second.
    await iterate(next, 1, 2, 1000);
    expect(storedIn(cluster)).toEqual([2, 1]);
  });

  it('gives those who evaluate the accepted point, whatever it is at', async () => {
    const shard = await serve();
    await restore(shard, -1);
    await iterate(shard, 1, 0, 3);
    operate(shard, 3, [{ op: 'scale', vector: 'point', factor: -1 }, gather(1, 4)]);
    const asked = { type: 'pull', v: 1, jobId: 'job-a', shard: 0, ownership: 1, encoding: 'float32' } as const;
    const firstOf = (accepted: boolean) => {
      const { header, tensors } = shard.pull({ ...asked, ifNotVersion: -1, ...(accepted && { accepted }) });
      return [header.version, (tensors['parameters']!.data as Float32Array)[2]];
    };
    expect([firstOf(false), firstOf(true)]).toEqual([
      [4, -2],
      [3, 2],
    ]);
    expect(shard.pull({ ...asked, ifNotVersion: 4 }).unchanged).toBe(true);
  });

  it('passes over an iteration that is damaged, and says so', async () => {
    const shard = await serve();
    await restore(shard, -1);
    for (const evaluation of [0, 1]) await iterate(shard, 1 + 2 * evaluation, evaluation, 10 + evaluation);
    cluster.snapshots('job-a', 0).damage(1, 300);
    const next = await serve(2);
    expect(await restore(next, null)).toMatchObject({ iteration: 0, state: '0' });
    expect(cluster.ofType('problem').map(({ code }) => code)).toEqual(['damaged-snapshot']);
  });

  it('answers nobody while it may have been given to another, and stores nothing once it was let go of', async () => {
    const shard = await serve();
    await restore(shard, -1);
    fenced = true;
    expect(() => operate(shard, 1, [dot])).toThrow('may have been given to another');
    expect(() => push(shard, 0, 0, 1)).toThrow('may have been given to another');
    fenced = false;
    operate(shard, 1, [gather(0, 1)]);
    await shard.release('not-owner');
    expect(() => push(shard, 0, 0, 1)).toThrow('let go of');
    expect(storedIn(cluster)).toEqual([]);
  });

  it('leaves nothing of a job that has ended, and everything of one that is paused', async () => {
    const shard = await serve();
    await restore(shard, -1);
    await iterate(shard, 1, 0, 3);
    await shard.release('paused');
    expect(storedIn(cluster)).toEqual([0]);
    await (await serve(2)).release('job-ended');
    expect(storedIn(cluster)).toEqual([]);
  });
});
