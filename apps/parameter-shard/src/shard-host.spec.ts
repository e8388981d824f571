import type { JobPlan, PullRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { encodeSnapshot, ParameterShard, sealSnapshot, shardIdentity } from '@downpour/parameters';
import { fakePushes } from '@downpour/parameters/fakes';
import { createLog } from '@downpour/platform';
import { decodeFrame, encodeFrame } from '@downpour/tensor';
import { until } from '@downpour/testing';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCluster, fakePlan, fakeShardPushes } from './fakes.ts';
import { ShardHost } from './shard-host.ts';
import { ShardReporter } from './shard-reporter.ts';
import { ShardMetrics } from './shard.metrics.ts';

interface Process {
  host: ShardHost;
  reporter: ShardReporter;
  registry: Registry;
}

describe('ShardHost', () => {
  let cluster: FakeCluster;
  let processes: Process[];

  const startProcess = (instance: string, logBytes = 1e9): Process => {
    const registry = new Registry();
    const [metrics, log] = [
      new ShardMetrics(registry),
      createLog({ level: 'silent', format: 'json', instance, role: '' }),
    ];
    const host = new ShardHost({
      instance,
      ports: cluster,
      snapshotPolicy: { logBytes, intervalMs: 1e9 },
      metrics,
      log,
    });
    const reporter = new ShardReporter({ host, ports: cluster, metrics, log, intervalMs: 20 });
    reporter.start();
    const process = { host, reporter, registry };
    processes.push(process);
    return process;
  };
  const push = (plan: JobPlan, shard: number, begin: number, end = Infinity): void => {
    for (const { header, gradient } of fakeShardPushes(plan, shard).slice(begin, end))
      cluster.log(plan.jobId, shard).append(header, gradient);
  };
  /** What a shard must hold after the first pushes of its log. */
  const expected = (plan: JobPlan, shard: number, pushes: number): ParameterShard => {
    const fold = ParameterShard.initial(shardIdentity(plan, shard), cluster.initial!);
    for (const [index, { header, gradient }] of fakeShardPushes(plan, shard).slice(0, pushes).entries())
      fold.apply({ header, gradient, sequence: index + 1, firstSequence: index + 1 });
    return fold;
  };
  const request = (plan: JobPlan, shard: number, more: Partial<PullRequest> = {}): PullRequest => ({
    type: 'pull',
    v: 1,
    jobId: plan.jobId,
    shard,
    ownership: plan.shards[shard]!.ownership,
    ifNotVersion: -1,
    encoding: 'float32',
    ...more,
  });
  /** As the transport does: header and tensors read when the reply is encoded. */
  const pull = ({ host }: Process, asked: PullRequest) => {
    const answer = host.find(asked.jobId, asked.shard, asked.ownership).pull(asked);
    const { header, tensors } = decodeFrame(encodeFrame(answer.header, answer.tensors));
    return { header: header as { version: number; unchanged: boolean }, tensors };
  };
  const codeOf = (work: () => unknown): string | undefined => {
    try {
      work();
    } catch (error) {
      return error instanceof DownpourError ? error.code : String(error);
    }
    return undefined;
  };
  const serving = (shard: number, version: number) =>
    until(`shard ${shard} at version ${version}`, () => {
      const event = cluster.lastOf(shard);
      return event?.state === 'serving' && event.version === version;
    });

  beforeEach(() => {
    cluster = new FakeCluster();
    processes = [];
  });
  afterEach(async () => {
    for (const { host, reporter } of processes) {
      await host.stopIntake();
      reporter.stop();
    }
    // Nobody follows a log any more.
    expect(cluster.log('job-a', 0).followers).toBe(0);
  });

  it('serves the shards that a plan gives it, and says not-owner for others', async () => {
    const plan = fakePlan({ owners: ['a', 'b'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    expect(codeOf(() => pull(a, request(plan, 0)))).toBe('loading');
    push(plan, 0, 0, 3);
    await serving(0, 3);
    const { header, tensors } = pull(a, request(plan, 0));
    expect(header).toEqual({ type: 'pulled', v: 1, jobId: 'job-a', shard: 0, version: 3, unchanged: false });
    expect(new Float32Array(tensors['parameters']!.data.slice().buffer)).toEqual(expected(plan, 0, 3).parameters);
    expect(codeOf(() => pull(a, request(plan, 1)))).toBe('not-owner');
    expect(codeOf(() => pull(a, request(plan, 0, { ownership: 2 })))).toBe('not-owner');
    expect(codeOf(() => pull(a, request(plan, 0, { jobId: 'job-b' })))).toBe('not-owner');
  });

  it('answers a pull of the version that the caller has without parameters', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    push(plan, 0, 0, 2);
    await serving(0, 2);
    const { header, tensors } = pull(a, request(plan, 0, { ifNotVersion: 2 }));
    expect(header).toMatchObject({ version: 2, unchanged: true });
    expect(Object.keys(tensors)).toEqual([]);
    expect(pull(a, request(plan, 0, { ifNotVersion: 1 })).header.unchanged).toBe(false);
  });

  it('answers with one version even if a push is applied before the reply is encoded', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    push(plan, 0, 0, 1);
    await serving(0, 1);
    const answer = a.host.find('job-a', 0).pull(request(plan, 0));
    push(plan, 0, 1, 2);
    await serving(0, 2);
    const { header, tensors } = decodeFrame(encodeFrame(answer.header, answer.tensors));
    expect(header).toMatchObject({ version: 2 });
    expect(new Float32Array(tensors['parameters']!.data.slice().buffer)).toEqual(expected(plan, 0, 2).parameters);
  });

  it('tells at once when every push is applied, with an account that adds up', async () => {
    const plan = fakePlan({ owners: ['a', 'a'] });
    startProcess('a').host.onPlan(plan);
    for (const shard of [0, 1]) {
      push(plan, shard, 0);
      push(plan, shard, 5, 7);
    }
    await until('both complete', () => [0, 1].every((shard) => cluster.lastOf(shard)?.ledger.duplicatesDropped === 2));
    for (const shard of [0, 1])
      expect(cluster.lastOf(shard)).toMatchObject({
        instance: 'a',
        ownership: 1,
        version: 16,
        complete: true,
        ledger: { expected: 16, applied: 16, duplicatesDropped: 2, lateDropped: 0, examplesApplied: 100 },
        epochsApplied: [],
        stalenessMax: 15,
      });
  });

  it('lets a worker go on when the slower one has no chunk any more, be it one whose last push was settled the first time', async () => {
    const base = fakePlan({ owners: ['a'] });
    const strategy = { kind: 'ssp', staleness: 0, nPush: 2, warmstartSteps: 0 } as const;
    const plan = { ...base, spec: { ...base.spec, strategy } };
    const { host } = startProcess('a');
    host.onPlan(plan);
    const [first, second, last, other] = fakeShardPushes(plan, 0);
    const append = ({ header, gradient }: typeof first & object, worker: string) =>
      cluster.log('job-a', 0).append({ ...header, worker }, gradient);
    append(last!, 'gone');
    await serving(0, 1);
    const shard = host.find('job-a', 0, 1);
    const asks = (worker: string, pushes: number, chunk: number) =>
      shard.pullInStep(request(plan, 0, { clock: { worker, pushes, epoch: 0, chunk } }));
    await asks('slow', 0, 0);
    await asks('fast', 0, 1);
    append(other!, 'fast');
    let answered = false;
    const waits = asks('fast', 1, 1).then(() => (answered = true));
    append(first!, 'slow');
    await serving(0, 3);
    expect(answered).toBe(false);
    append(second!, 'slow');
    await waits;
  });

  it('says so of epochs under way', async () => {
    const plan = fakePlan({ owners: ['a'] });
    startProcess('a').host.onPlan(plan);
    push(plan, 0, 0, 3);
    push(plan, 0, 9, 11);
    await serving(0, 5);
    expect(cluster.lastOf(0)?.epochsApplied).toEqual([0, 3, 1, 2]);
  });

  it('goes on in another process with the same bits, from snapshot and log', async () => {
    const plan = fakePlan({
      owners: ['a'],
      rule: { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    });
    const a = startProcess('a', 3 * 40 * 4);
    a.host.onPlan(plan);
    push(plan, 0, 0, 4);
    await until('a snapshot', () => cluster.snapshots('job-a', 0).positions.length === 1);
    push(plan, 0, 4, 10);
    await until('two snapshots', () => cluster.snapshots('job-a', 0).positions.length === 2);
    await serving(0, 10);
    const [, older] = cluster.snapshots('job-a', 0).positions;
    expect(cluster.log('job-a', 0).sequences[0]).toBe(older! + 1);

    const moved = fakePlan({ owners: ['b'], ownership: 2, rule: plan.spec.updateRule });
    const b = startProcess('b');
    a.host.onPlan(moved);
    b.host.onPlan(moved);
    push(plan, 0, 10);
    await until('completion', () => {
      const event = cluster.lastOf(0);
      return event?.ownership === 2 && event.state === 'serving' && event.complete;
    });
    expect(codeOf(() => pull(a, request(plan, 0)))).toBe('not-owner');
    await b.host.stopIntake();
    await b.host.finish();
    const [newest] = cluster.snapshots('job-a', 0).positions;
    const bytes = await cluster.snapshots('job-a', 0).load(String(newest));
    const undisturbed = await sealSnapshot(encodeSnapshot(expected(plan, 0, 16), newest!));
    expect(Buffer.compare(bytes, undisturbed)).toBe(0);
  });

  it('answers pulls, as the log goes on, until its successor serves; stores, trims and reports nothing meanwhile', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const moved = fakePlan({ owners: ['b'], ownership: 2 });
    const handedOver = structuredClone(moved);
    moved.shards[0]!.previous = { instance: 'a', ownership: 1 };
    const a = startProcess('a', 1);
    a.host.onPlan(plan);
    push(plan, 0, 0, 3);
    await serving(0, 3);
    await until('its snapshot', () => cluster.snapshots('job-a', 0).positions[0] === 3);
    const kept = cluster.snapshots('job-a', 0).positions;
    const [firstKept] = cluster.log('job-a', 0).sequences;
    a.host.onPlan(moved);
    const told = () => cluster.ofType('shard').filter(({ instance }) => instance === 'a').length;
    const before = told();
    push(plan, 0, 3, 9);
    await until('the pushes', () => pull(a, request(plan, 0)).header.version === 9);
    expect(cluster.snapshots('job-a', 0).positions).toEqual(kept);
    expect(cluster.log('job-a', 0).sequences[0]).toBe(firstKept);
    const b = startProcess('b', 1);
    b.host.onPlan(moved);
    await until('the successor', () => codeOf(() => pull(b, request(moved, 0))) === undefined);
    push(plan, 0, 9, 12);
    await until('both', () =>
      [pull(a, request(plan, 0)), pull(b, request(moved, 0))].every(({ header }) => header.version === 12),
    );
    expect(told()).toBe(before);
    for (const { host } of [a, b]) host.onPlan(handedOver);
    expect(codeOf(() => pull(a, request(plan, 0)))).toBe('not-owner');
    push(plan, 0, 12);
    await until('the end', () => pull(b, request(moved, 0)).header.version === 16);
    await b.host.stopIntake();
    await b.host.finish();
    const [newest] = cluster.snapshots('job-a', 0).positions;
    const bytes = await cluster.snapshots('job-a', 0).load(String(newest));
    expect(Buffer.compare(bytes, await sealSnapshot(encodeSnapshot(expected(plan, 0, 16), newest!)))).toBe(0);
  });

  it('leaves once others serve what it had, or there is nobody who could', async () => {
    const plan = fakePlan({ owners: ['a', 'a'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    push(plan, 0, 0, 3);
    await serving(0, 3);
    await a.host.prepareToLeave();
    // So the next owner has nothing to replay.
    expect(cluster.snapshots('job-a', 0).positions).toEqual([3]);
    let others = true;
    let left = false;
    const leaving = a.host.handOver(() => others).then(() => (left = true));
    const moved = fakePlan({ owners: ['b', 'b'], ownership: 2 });
    for (const placement of moved.shards) placement.previous = { instance: 'a', ownership: 1 };
    a.host.onPlan(moved);
    expect(pull(a, request(plan, 0)).header.version).toBe(3);
    delete moved.shards[0]!.previous;
    a.host.onPlan(structuredClone(moved));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([left, codeOf(() => pull(a, request(plan, 0))), pull(a, request(plan, 1)).header.version]).toEqual([
      false,
      'not-owner',
      0,
    ]);
    // It takes nothing more.
    a.host.onPlan(fakePlan({ jobId: 'job-b', owners: ['a'] }));
    expect(a.host.shards().map(({ jobId }) => jobId)).toEqual(['job-a']);
    others = false;
    await leaving;
  });

  it('does not serve before it has replayed the log', async () => {
    const plan = fakePlan({ owners: ['a'] });
    push(plan, 0, 0, 12);
    const a = startProcess('a');
    a.host.onPlan(plan);
    const seen: number[] = [];
    await until(
      'serving',
      () => {
        if (codeOf(() => seen.push(pull(a, request(plan, 0)).header.version)) !== undefined) return false;
        return true;
      },
      5000,
      0,
    );
    expect(seen).toEqual([12]);
  });

  it('takes the snapshot before, and says so, when the newest is damaged', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const store = cluster.snapshots('job-a', 0);
    const a = startProcess('a', 1);
    a.host.onPlan(plan);
    await serving(0, 0);
    for (const at of [0, 1, 2]) {
      push(plan, 0, at, at + 1);
      await serving(0, at + 1);
      await until('the snapshot', () => store.positions[0] === at);
    }
    await a.host.stopIntake();
    expect(store.positions).toEqual([2, 1]);
    store.damage(2, 50);
    const b = startProcess('b');
    b.host.onPlan(fakePlan({ owners: ['b'], ownership: 2 }));
    await until('serving', () => cluster.lastOf(0)?.ownership === 2 && cluster.lastOf(0)?.state === 'serving');
    expect(cluster.lastOf(0)?.version).toBe(3);
    expect(cluster.ofType('problem')).toMatchObject([{ code: 'damaged-snapshot', fatal: false }]);
  });

  it('ends the job when no state can be had any more', async () => {
    const plan = fakePlan({ owners: ['a'] });
    cluster.initial = new Float32Array(7);
    const a = startProcess('a');
    a.host.onPlan(plan);
    const problem = await until('the problem', () => cluster.ofType('problem')[0]);
    expect(problem).toMatchObject({ fatal: true, code: 'shard-lost', instance: 'a' });
    expect(problem.message).toContain('7 initial parameters; the job has 40');
    await until('the event', () => cluster.lastOf(0)?.state === 'failed');
    expect(codeOf(() => pull(a, request(plan, 0)))).toBe('unavailable');
  });

  it('replays what is no push of the plan, as its snapshot lets the log begin before it', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const [log, store] = [cluster.log('job-a', 0), cluster.snapshots('job-a', 0)];
    const [first] = fakeShardPushes(plan, 0);
    const stray = { ...first!, header: { ...first!.header, chunk: 1_000_000_000 } };
    const fold = ParameterShard.initial(shardIdentity(plan, 0), cluster.initial!);
    for (const { header, gradient } of [stray, first!]) {
      const sequence = log.append(header, gradient);
      fold.apply({ header, gradient, sequence, firstSequence: sequence });
    }
    expect([fold.refused, fold.version]).toEqual([1, 1]);
    await store.save(0, await sealSnapshot(encodeSnapshot(fold, 0)));
    const { host } = startProcess('a');
    host.onPlan(plan);
    await serving(0, 1);
    expect(pull(processes[0]!, request(plan, 0)).header.version).toBe(1);
    expect(host.shards()[0]!.ledger().ledger).toMatchObject({ applied: 1, refused: 1 });
  });

  it('ends the job when its snapshots are gone and the log was trimmed behind them', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const log = cluster.log('job-a', 0);
    for (const [version, { header, gradient }] of fakeShardPushes(plan, 0).slice(0, 6).entries())
      log.append({ ...header, version }, gradient);
    await log.trim(3);
    startProcess('a').host.onPlan(plan);
    expect(await until('the problem', () => cluster.ofType('problem')[0])).toMatchObject({
      fatal: true,
      code: 'shard-lost',
      message: expect.stringContaining('the log begins after version 0'),
    });
    expect(cluster.lastOf(0)?.version).toBe(0);
  });

  it('ends the job when of its snapshots only one is good that the log was trimmed beyond', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const [log, store] = [cluster.log('job-a', 0), cluster.snapshots('job-a', 0)];
    for (const [version, { header, gradient }] of fakeShardPushes(plan, 0).slice(0, 6).entries())
      log.append({ ...header, version }, gradient);
    for (const pushes of [1, 3, 4])
      await store.save(pushes, await sealSnapshot(encodeSnapshot(expected(plan, 0, pushes), pushes)));
    await log.trim(3);
    store.damage(3, 50);
    store.damage(4, 50);
    startProcess('a').host.onPlan(plan);
    const problem = await until('the problem', () => cluster.ofType('problem').find(({ fatal }) => fatal));
    expect(problem.message).toContain('the log begins after version 1');
  });

  it('begins anew without a snapshot when it was the log of another shard that was trimmed', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const log = cluster.log('job-a', 0);
    await log.trim(log.appendGarbage());
    for (const [version, { header, gradient }] of fakeShardPushes(plan, 0).slice(0, 3).entries())
      log.append({ ...header, version }, gradient);
    expect(await log.trimmed()).toBe(true);
    startProcess('a').host.onPlan(plan);
    await serving(0, 3);
    expect(cluster.ofType('problem')).toEqual([]);
  });

  it('ends the job when NATS has lost the log', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    push(plan, 0, 0, 2);
    await serving(0, 2);
    cluster.log('job-a', 0).restart();
    push(plan, 0, 0, 1);
    expect(await until('the problem', () => cluster.ofType('problem')[0])).toMatchObject({
      fatal: true,
      message: expect.stringContaining('NATS has lost it'),
    });
    expect(cluster.lastOf(0)?.version).toBe(2);
  });

  it('waits for a store that is away, and says what it waits for', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const { initial } = cluster;
    cluster.initial = null;
    startProcess('a').host.onPlan(plan);
    expect(await until('the problem', () => cluster.ofType('problem')[0])).toMatchObject({
      fatal: false,
      code: 'shard-loading',
      message: 'Shard 0 cannot be loaded yet: the object store is away',
    });
    cluster.initial = initial;
    await serving(0, 0);
  });

  it('goes on without snapshots while the store is away, and takes one when it is back', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const a = startProcess('a', 1);
    a.host.onPlan(plan);
    await serving(0, 0);
    const store = cluster.snapshots('job-a', 0);
    store.failing = true;
    push(plan, 0, 0, 3);
    await serving(0, 3);
    expect(cluster.ofType('problem')).toMatchObject([{ fatal: false, code: 'snapshot-failed' }]);
    store.failing = false;
    await a.host.stopIntake();
    await a.host.finish();
    expect(store.positions).toEqual([3]);
  });

  it('refuses bad records and pushes, says so once, and goes on', async () => {
    const plan = fakePlan({ owners: ['a'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    const [first] = fakeShardPushes(plan, 0);
    for (let i = 0; i < 5; i++) {
      cluster.log('job-a', 0).appendGarbage();
      cluster.log('job-a', 0).append({ ...first!.header, chunk: 7 }, first!.gradient);
    }
    push(plan, 0, 0, 1);
    await serving(0, 1);
    expect(cluster.ofType('problem')).toMatchObject([
      { code: 'bad-record', fatal: false },
      { code: 'refused-push', fatal: false, chunk: { epoch: 0, chunk: 7 } },
    ]);
    expect(await a.registry.getSingleMetric('downpour_shard_pushes_total')!.get()).toMatchObject({
      values: [
        { labels: { outcome: 'refused' }, value: 5 },
        { labels: { outcome: 'applied' }, value: 1 },
      ],
    });
  });

  it('lets go of a job that has ended, and of its snapshots', async () => {
    const plan = fakePlan({ owners: ['a', 'a'] });
    const a = startProcess('a', 1);
    a.host.onPlan(plan);
    push(plan, 0, 0, 3);
    await serving(0, 3);
    await until('a snapshot', () => cluster.snapshots('job-a', 0).positions.length > 0);
    a.host.onRemoved('job-a');
    expect(codeOf(() => pull(a, request(plan, 0)))).toBe('not-owner');
    await until('no snapshot', () => cluster.snapshots('job-a', 0).positions.length === 0);
    await until('no follower', () => cluster.log('job-a', 1).followers === 0);
    expect(a.host.shards()).toEqual([]);
  });

  it('changes nothing when a plan comes again, or changes in what is none of its business', async () => {
    const plan = fakePlan({ owners: ['a', 'b'] });
    const a = startProcess('a');
    a.host.onPlan(plan);
    await serving(0, 0);
    const [served] = a.host.shards();
    a.host.onPlan(plan);
    a.host.onPlan({ ...plan, phase: 'finishing' });
    a.host.onPlan({ ...plan, shards: [plan.shards[0]!, { ...plan.shards[1]!, instance: 'c', ownership: 2 }] });
    expect(a.host.shards()).toEqual([served]);
    expect(served?.state).toBe('serving');
  });

  it('loads anew when it is given a shard back with another ownership', async () => {
    const a = startProcess('a');
    a.host.onPlan(fakePlan({ owners: ['a'] }));
    push(fakePlan({ owners: ['a'] }), 0, 0, 4);
    await serving(0, 4);
    a.host.onPlan(fakePlan({ owners: ['b'], ownership: 2 }));
    a.host.onPlan(fakePlan({ owners: ['a'], ownership: 3 }));
    await until('serving again', () => cluster.lastOf(0)?.ownership === 3 && cluster.lastOf(0)?.state === 'serving');
    expect(cluster.lastOf(0)?.version).toBe(4);
    expect(cluster.log('job-a', 0).followers).toBe(1);
  });

  it('can be stopped while it loads', async () => {
    cluster.initial = null;
    const a = startProcess('a');
    a.host.onPlan(fakePlan({ owners: ['a'] }));
    await a.host.stopIntake();
    await a.host.finish();
    expect(a.host.shards()[0]?.state).toBe('loading');
  });

  it('leaves the event loop to others between pushes', async () => {
    const plan = fakePlan({ owners: ['a'], length: 2_000_000, epochs: 20 });
    cluster.initial = new Float32Array(2_000_000);
    const a = startProcess('a');
    a.host.onPlan(plan);
    await serving(0, 0);
    const gradient = { dtype: 'float32' as const, shape: [2_000_000], data: new Uint8Array(8_000_000) };
    for (const header of fakePushes({ jobId: 'job-a', shard: 0, chunks: plan.chunks }))
      cluster.log('job-a', 0).append(header, gradient);
    let turns = 0;
    await until('completion', () => ++turns && cluster.lastOf(0)?.complete, 20_000, 0);
    expect(turns).toBeGreaterThan(5);
  });

  it('sends nothing new while nothing happens', async () => {
    startProcess('a').host.onPlan(fakePlan({ owners: ['a'] }));
    await serving(0, 0);
    const before = cluster.events.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(cluster.events.length - before).toBeLessThan(2);
  });
});
