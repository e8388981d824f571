import type { JobPlan, PullRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { encodeSnapshot, keepSnapshot, ParameterShard, sealSnapshot, shardIdentity } from '@downpour/parameters';
import { createLog } from '@downpour/platform';
import { until } from '@downpour/testing';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCluster, fakePlan, fakeShardPushes } from './fakes.ts';
import type { Standing } from './ownership-fence.ts';
import { ShardHost } from './shard-host.ts';
import { ShardReporter } from './shard-reporter.ts';
import { ShardMetrics } from './shard.metrics.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rule = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;

/** Two processes that both believe they own shard 0: what each does is what users would see of a split brain. */
describe('a process that may have been replaced', () => {
  let cluster: FakeCluster;
  let ends: (() => Promise<void>)[];
  const first = fakePlan({ owners: ['a'], rule });
  const second = fakePlan({ owners: ['b'], ownership: 2, rule });

  const start = (instance: string, logBytes = 1e9) => {
    const standing: Standing = { confirmed: true, lapses: 1 };
    const [metrics, log] = [
      new ShardMetrics(new Registry()),
      createLog({ level: 'silent', format: 'json', instance, role: '' }),
    ];
    const snapshotPolicy = { logBytes, intervalMs: 1e9 };
    const host = new ShardHost({ instance, ports: cluster, snapshotPolicy, metrics, log, standing: () => standing });
    const reporter = new ShardReporter({ host, ports: cluster, metrics, log, intervalMs: 10 });
    reporter.start();
    ends.push(async () => {
      await host.stopIntake();
      reporter.stop();
      host.fence.close();
    });
    return { host, standing };
  };
  const push = (begin: number, end = Infinity): void => {
    for (const { header, gradient } of fakeShardPushes(first, 0).slice(begin, end))
      cluster.log('job-a', 0).append(header, gradient);
  };
  const fold = (pushes: number): ParameterShard => {
    const shard = ParameterShard.initial(shardIdentity(first, 0), cluster.initial!);
    for (const [index, { header, gradient }] of fakeShardPushes(first, 0).slice(0, pushes).entries())
      shard.apply({ header, gradient, sequence: index + 1, firstSequence: index + 1 });
    return shard;
  };
  /** Version that a pull shows, or why it shows none. */
  const pull = (host: ShardHost, { jobId, shards }: JobPlan): number | string => {
    const { ownership } = shards[0]!;
    const request: PullRequest = {
      type: 'pull',
      v: 1,
      jobId,
      shard: 0,
      ownership,
      ifNotVersion: -1,
      encoding: 'float32',
    };
    try {
      return host.find(jobId, 0, ownership).pull(request).header.version;
    } catch (error) {
      return error instanceof DownpourError ? error.code : String(error);
    }
  };
  const showing = (host: ShardHost, plan: JobPlan, version: number) =>
    until(`version ${version}`, () => pull(host, plan) === version);
  const store = () => cluster.snapshots('job-a', 0);
  const eventsOf = (instance: string) => cluster.ofType('shard').filter((event) => event.instance === instance).length;

  beforeEach(() => {
    cluster = new FakeCluster();
    cluster.plans.set('job-a', first);
    ends = [];
  });
  afterEach(() => Promise.all(ends.map((end) => end())));

  it('shows nothing, stores nothing, trims nothing and reports nothing, and lets go once it knows', async () => {
    const a = start('a', 1);
    a.host.onPlan(first);
    push(0, 3);
    await showing(a.host, first, 3);
    await until('its snapshots', () => store().positions[0] === 3);
    const [positions, sequences] = [store().positions, cluster.log('job-a', 0).sequences];
    a.standing.confirmed = false;
    expect(pull(a.host, first)).toBe('loading');
    const told = eventsOf('a');
    push(3, 9);
    await sleep(100);
    expect(pull(a.host, first)).toBe('loading');
    expect(store().positions).toEqual(positions);
    expect(cluster.log('job-a', 0).sequences).toEqual([...sequences, 4, 5, 6, 7, 8, 9]);
    expect(eventsOf('a')).toBe(told);

    // It was given to another meanwhile; the plan's watch has not brought that here yet.
    cluster.plans.set('job-a', second);
    const b = start('b', 1);
    b.host.onPlan(second);
    await showing(b.host, second, 9);
    Object.assign(a.standing, { confirmed: true, lapses: 2 });
    expect(pull(a.host, first)).toBe('loading');
    await until('it to let go', () => pull(a.host, first) === 'not-owner');
    push(9);
    await showing(b.host, second, 16);
    expect(eventsOf('a')).toBe(told);
    // A plan from before comes last.
    a.host.onPlan(first);
    expect(pull(a.host, first)).toBe('not-owner');
  });

  it('goes on as before when nobody has replaced it', async () => {
    const a = start('a');
    a.host.onPlan(first);
    push(0, 3);
    await showing(a.host, first, 3);
    // It was frozen and noticed nothing: by the time it runs again its heartbeats are confirmed.
    a.standing.lapses = 2;
    expect(pull(a.host, first)).toBe('loading');
    await showing(a.host, first, 3);
    push(3, 5);
    await showing(a.host, first, 5);
  });

  it('waits as long as plans cannot be read', async () => {
    const a = start('a');
    a.host.onPlan(first);
    await showing(a.host, first, 0);
    let away = true;
    const plan = cluster.plan.bind(cluster);
    cluster.plan = async (jobId) => {
      if (away) throw new Error('the store is away');
      return plan(jobId);
    };
    a.standing.lapses = 2;
    expect(pull(a.host, first)).toBe('loading');
    await sleep(100);
    expect(pull(a.host, first)).toBe('loading');
    away = false;
    await showing(a.host, first, 0);
  });

  it('does not fail the job of its successor', async () => {
    const a = start('a');
    a.host.onPlan(first);
    push(0, 2);
    await showing(a.host, first, 2);
    a.standing.confirmed = false;
    cluster.log('job-a', 0).restart();
    push(0, 1);
    await until('its own failure', () => a.host.shards()[0]?.state === 'failed');
    cluster.plans.set('job-a', second);
    Object.assign(a.standing, { confirmed: true, lapses: 2 });
    await until('it to let go', () => a.host.shards().length === 0);
    await sleep(100);
    expect(cluster.ofType('problem').filter(({ fatal }) => fatal)).toEqual([]);
  });

  it('leaves the log alone when it is replaced while its snapshot is on the way', async () => {
    const a = start('a', 3 * 40 * 4);
    a.host.onPlan(first);
    let arrive = (): void => undefined;
    let saved = false;
    push(0, 3);
    await until('a snapshot', () => store().positions.length > 0);
    await showing(a.host, first, 3);
    await sleep(50);
    const save = store().save.bind(store());
    const underWay = new Promise<void>((resolve) => {
      store().save = async (position, bytes) => {
        resolve();
        await new Promise<void>((go) => (arrive = go));
        await save(position, bytes);
        saved = true;
      };
    });
    push(3, 6);
    await underWay;
    store().save = save;
    const { sequences } = cluster.log('job-a', 0);
    const { positions } = store();
    a.host.onPlan(second);
    arrive();
    await until('the snapshot', () => saved);
    await sleep(50);
    expect(cluster.log('job-a', 0).sequences).toEqual(sequences);
    expect(store().positions).toEqual(expect.arrayContaining(positions));
  });

  it('cannot make its successor lose a push, even by a trim that was on its way', async () => {
    for (const position of [2, 4]) await keepSnapshot(fold(position), position, store(), cluster.log('job-a', 0));
    push(0, 10);
    await cluster.log('job-a', 0).trim(2);
    // The successor has read the snapshot at 4 and is about to replay; then what the old owner had sent arrives.
    const load = store().load.bind(store());
    store().load = async (name) => {
      store().load = load;
      const bytes = await load(name);
      for (const position of [8, 9]) await keepSnapshot(fold(position), position, store(), cluster.log('job-a', 0));
      return bytes;
    };
    const b = start('b');
    b.host.onPlan(second);
    await showing(b.host, second, 10);
    push(10);
    await showing(b.host, second, 16);
    await b.host.stopIntake();
    await b.host.finish();
    const [newest] = store().positions;
    const undisturbed = await sealSnapshot(encodeSnapshot(fold(16), newest!));
    expect(Buffer.compare(await store().load(String(newest)), undisturbed)).toBe(0);
    expect(cluster.log('job-a', 0).sequences).toEqual([10, 11, 12, 13, 14, 15, 16]);
  });
});
