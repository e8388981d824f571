import { isPush } from '@downpour/parameters';
import { DownpourError, pullRequestSchema, pushPullRequestSchema, strategySchema, subjects } from '@downpour/contracts';
import type { JobPlan, KeyRange, PushHeader } from '@downpour/contracts';
import { asFloat32 } from '@downpour/tensor';
import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { until } from '@downpour/testing';
import type { PulledParameters } from '@downpour/training';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { coordinatorPort, patternFloats, planOf, sameBytes, startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import { KvPlanRepository } from '../kv/plan.repository.ts';
import { PlanWatcher } from '../kv/plan-watcher.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { JetStreamPushLog } from '../streams/push-log.ts';
import { PushPublisher } from '../streams/push-publisher.ts';
import { NatsStrategy } from '../transport/nats.strategy.ts';
import { RequestClient } from '../transport/request-client.ts';
import { NatsParameterClient } from './parameter-client.ts';
import { gatherParts } from './shard-ranges.ts';

/** A parameter-shard process as far as a client sees it: one vector, one version. */
class FakeShard {
  vector = new Float32Array(0);
  version = 1;
  ownership = 1;
  refusal: DownpourError | null = null;
  pulls = 0;
  onPull: () => void = () => undefined;
  readonly pushed: { push: PushHeader; gradient: Float32Array }[] = [];

  pushPull({ header, tensors }: TensorFrame): OutgoingFrame {
    const { push, pull, ownership } = pushPullRequestSchema.parse(header);
    if (this.refusal !== null) throw this.refusal;
    if (ownership !== this.ownership) throw new DownpourError('not-owner', `ownership is ${this.ownership}`);
    this.pushed.push({ push, gradient: asFloat32(tensors['gradient']!).slice() });
    this.version += 1;
    return {
      header: {
        type: 'pushPulled',
        v: 1,
        jobId: push.jobId,
        shard: push.shard,
        version: this.version,
        unchanged: !pull,
      },
      ...(pull && { tensors: { parameters: { dtype: 'float32', shape: [this.vector.length], data: this.vector } } }),
    };
  }

  pull(header: unknown): OutgoingFrame {
    this.pulls += 1;
    this.onPull();
    const { jobId, shard, ownership, ifNotVersion } = pullRequestSchema.parse(header);
    if (this.refusal !== null) throw this.refusal;
    if (ownership !== this.ownership) throw new DownpourError('not-owner', `ownership is ${this.ownership}`);
    const unchanged = ifNotVersion === this.version;
    return {
      header: { type: 'pulled', v: 1, jobId, shard, version: this.version, unchanged },
      ...(unchanged
        ? {}
        : { tensors: { parameters: { dtype: 'float32', shape: [this.vector.length], data: this.vector } } }),
    };
  }
}

describe.each([
  ['1 MB', 2 ** 20],
  ['8 MB', 8 * 2 ** 20],
])('the parameter client over a server of %s payload', (_name, maxPayloadBytes) => {
  /** 7.9 million values, as mlp-large has. */
  const LENGTH = 7_900_000;
  const RANGES: KeyRange[][] = [
    [
      { begin: 0, end: 1 },
      { begin: 3_000_001, end: LENGTH },
    ],
    [{ begin: 1, end: 3_000_001 }],
  ];
  let nats: NatsFixture;
  let link: NatsLink;
  let plans: PlanWatcher;
  let repository: KvPlanRepository;
  let plan: JobPlan;
  let revision: number;
  let client: NatsParameterClient;
  const shards = new Map<string, FakeShard>();
  const strategies: NatsStrategy[] = [];
  const live = new AbortController().signal;

  const startShard = async (instance: string): Promise<FakeShard> => {
    const shard = new FakeShard();
    shards.set(instance, shard);
    const strategy = new NatsStrategy(await nats.link(), { instance });
    strategy.addHandler(
      subjects.pull('{instance}'),
      async ({ header }: { header: unknown }) => shard.pull(header) as never,
    );
    strategy.addHandler(subjects.pushPull('{instance}'), async (frame: TensorFrame) => shard.pushPull(frame) as never);
    await new Promise<unknown>((resolve) => strategy.listen(resolve));
    strategies.push(strategy);
    return shard;
  };
  const changePlan = async (change: (plan: JobPlan) => void): Promise<void> => {
    change(plan);
    revision = await repository.put(plan, revision);
  };
  const empty = (): PulledParameters => ({ vector: new Float32Array(LENGTH), versions: [-1, -1] });
  const truth = patternFloats(LENGTH);
  const vectors = RANGES.map((ranges) => {
    const parts = gatherParts(truth, ranges);
    const vector = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      vector.set(part, at);
      at += part.length;
    }
    return vector;
  });

  beforeEach(async () => {
    nats = await startNatsFixture({ maxPayloadBytes });
    link = await nats.link();
    repository = new KvPlanRepository(link);
    plan = planOf(
      'job',
      LENGTH,
      RANGES.map((ranges, shard) => ({ shard, ranges, instance: `s${shard}`, ownership: 1 })),
    );
    revision = await repository.put(plan, null);
    await coordinatorPort(link).createStreams('job', { storage: 'memory', replicas: 1 });
    plans = await PlanWatcher.start(link);
    client = new NatsParameterClient({
      requests: new RequestClient(link),
      publisher: new PushPublisher(link),
      plans,
      plan,
      instance: 'w',
    });
    for (const index of RANGES.keys()) {
      const shard = await startShard(`s${index}`);
      shard.vector = vectors[index]!;
    }
  });
  afterEach(async () => {
    await client.close();
    await plans.stop();
    await Promise.all(strategies.splice(0).map((strategy) => strategy.close()));
    await nats.stop();
  });

  it('pulls a model of 7.9 million parameters from two shards, each part to its place', async () => {
    const pulled = await client.pull(empty(), live);
    expect(pulled.versions).toEqual([1, 1]);
    expect(sameBytes(pulled.vector, truth)).toBe(true);
    // Unchanged shards cost their version only.
    pulled.vector.fill(0);
    shards.get('s1')!.version = 2;
    await client.pull(pulled, live);
    expect(pulled.versions).toEqual([1, 2]);
    expect([pulled.vector[0], pulled.vector[1], pulled.vector[3_000_001]]).toEqual([0, truth[1], 0]);
  });

  it('pulls an exact point of sandblaster from shards of one iteration, however often it takes', async () => {
    plan.spec.strategy = strategySchema.parse({ kind: 'sandblaster' });
    const [first, second] = [shards.get('s0')!, shards.get('s1')!];
    first.version = 2;
    // The second takes the iteration in when it is asked for the third time.
    second.onPull = () => (second.pulls === 3 ? (second.version = 2) : undefined);
    const { versions, vector } = await client.pull(empty(), live, { exact: true });
    expect(versions).toEqual([2, 2]);
    expect(second.pulls).toBe(3);
    expect(sameBytes(vector, truth)).toBe(true);
    second.version = 3;
    expect((await client.pull(empty(), live)).versions).toEqual([2, 3]);
  });

  it('pushes each shard its own ranges, and resolves when all are in the log', async () => {
    await client.push({ gradient: truth, epoch: 1, chunk: 2, push: 3, versions: [5, 6], examples: 64 }, live);
    for (const shard of [0, 1]) {
      const heard: { header: unknown; same: boolean }[] = [];
      const { stop } = await new JetStreamPushLog(link, 'job', shard).follow(
        0,
        (record) => {
          if (!isPush(record)) return;
          const { header, gradient } = record;
          heard.push({ header, same: sameBytes(asFloat32(gradient), shards.get(`s${shard}`)!.vector) });
        },
        (reason) => heard.push({ header: reason, same: false }),
      );
      await until('it', () => heard.length === 1, 20_000);
      expect(heard).toEqual([
        {
          header: {
            type: 'push',
            v: 1,
            jobId: 'job',
            shard,
            epoch: 1,
            chunk: 2,
            push: 3,
            version: 5 + shard,
            examples: 64,
            worker: 'w',
          },
          same: true,
        },
      ]);
      await stop();
    }
  });

  /** Of a job without a log. */
  const unloggedClient = async (): Promise<NatsParameterClient> => {
    await client.close();
    plan.spec.log = { ...plan.spec.log, storage: 'none' };
    await changePlan(() => undefined);
    return (client = new NatsParameterClient({
      requests: new RequestClient(link),
      publisher: new PushPublisher(link),
      plans,
      plan,
      instance: 'w',
    }));
  };
  const pushOf = (gradient: Float32Array, push = 0) => ({
    gradient,
    epoch: 0,
    chunk: 1,
    push,
    versions: [3, 4],
    examples: 64,
  });

  it('pushes and pulls in one round where the job has no log, in slices where it must', async () => {
    const unlogged = await unloggedClient();
    expect(unlogged.pushPulls).toBe(true);
    const into = empty();
    await unlogged.push({ ...pushOf(truth), pull: into }, live);
    for (const [index, name] of ['s0', 's1'].entries()) {
      const { pushed, pulls } = shards.get(name)!;
      expect(pushed.map(({ push }) => push)).toEqual([
        expect.objectContaining({ shard: index, chunk: 1, version: 3 + index, worker: 'w' }),
      ]);
      expect(sameBytes(pushed[0]!.gradient, vectors[index]!)).toBe(true);
      expect(pulls).toBe(0);
    }
    expect(into.versions).toEqual([2, 2]);
    expect(sameBytes(into.vector, truth)).toBe(true);
    await unlogged.push(pushOf(truth, 1), live);
    expect(shards.get('s0')!.pushed).toHaveLength(2);
  });

  it('pushes to whoever owns the shard next, when its owner refuses or is gone', async () => {
    const unlogged = await unloggedClient();
    await strategies[0]!.close();
    shards.get('s1')!.refusal = new DownpourError('loading', 'wait');
    const into = empty();
    const pushing = unlogged.push({ ...pushOf(truth), pull: into }, live);
    const heir = await startShard('heir');
    heir.vector = vectors[0]!;
    heir.ownership = 2;
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 'heir', ownership: 2 }));
    shards.get('s1')!.refusal = null;
    await pushing;
    expect(sameBytes(heir.pushed[0]!.gradient, vectors[0]!)).toBe(true);
    expect(shards.get('s1')!.pushed).toHaveLength(1);
    expect(sameBytes(into.vector, truth)).toBe(true);
  });

  it('waits while a shard has no owner, is loading, or has moved, and follows the plan', async () => {
    await changePlan(({ shards: [first] }) => (first!.instance = null));
    await until('the plan', () => plans.current('job')?.shards[0]?.instance === null);
    let done = false;
    const pulling = client.pull(empty(), live).then((pulled) => {
      done = true;
      return pulled;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(done).toBe(false);

    const next = await startShard('next');
    next.refusal = new DownpourError('loading', 'wait');
    next.vector = shards.get('s0')!.vector;
    next.version = 77;
    next.ownership = 2;
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 'next', ownership: 2 }));
    await until('it asks the next one', () => next.pulls > 0);
    expect(done).toBe(false);
    next.refusal = null;
    const pulled = await pulling;
    expect(pulled.versions).toEqual([77, 1]);
    expect(sameBytes(pulled.vector, truth)).toBe(true);
    // The old owner does not serve the new ownership, whoever asks.
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 's0' }));
    await until('the plan', () => plans.current('job')?.shards[0]?.instance === 's0');
    const abort = new AbortController();
    const refused = client.pull(empty(), abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 300);
    await expect(refused).rejects.toThrow('enough');
  });

  it('goes on by itself when a shard dies and another takes over', async () => {
    await strategies[0]!.close();
    const pulling = client.pull(empty(), live);
    const next = await startShard('heir');
    next.vector = shards.get('s0')!.vector;
    next.ownership = 2;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 'heir', ownership: 2 }));
    expect(sameBytes((await pulling).vector, truth)).toBe(true);
  });

  it('asks another at once when a plan names one, though the owner that was asked is silent', async () => {
    await strategies[0]!.close();
    // As a process that is frozen, or killed after the question had reached it.
    const questions = link.nc.subscribe(subjects.pull('s0'), { callback: () => undefined });
    const pulling = client.pull(empty(), live);
    await until('the question', () => questions.getReceived() > 0);
    const next = await startShard('heir');
    next.vector = shards.get('s0')!.vector;
    next.ownership = 2;
    const began = performance.now();
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 'heir', ownership: 2 }));
    expect(sameBytes((await pulling).vector, truth)).toBe(true);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('asks the owner before as long as it hands over, and the new one when that has gone', async () => {
    const next = await startShard('heir');
    next.vector = shards.get('s0')!.vector;
    next.ownership = 2;
    next.refusal = new DownpourError('loading', 'wait');
    const previous = { instance: 's0', ownership: 1 };
    await changePlan(({ shards: [first] }) => Object.assign(first!, { instance: 'heir', ownership: 2, previous }));
    await until('the plan', () => plans.current('job')?.shards[0]?.instance === 'heir');
    expect(sameBytes((await client.pull(empty(), live)).vector, truth)).toBe(true);
    expect(next.pulls).toBe(0);
    // It has let go before the word of that is here.
    shards.get('s0')!.refusal = new DownpourError('not-owner', 'no more');
    next.refusal = null;
    expect(sameBytes((await client.pull(empty(), live)).vector, truth)).toBe(true);
    expect(next.pulls).toBe(1);
  });

  it('ends with the job, and passes on what will not pass', async () => {
    shards.get('s1')!.refusal = new DownpourError('internal', 'broken');
    await expect(client.pull(empty(), live)).rejects.toMatchObject({ code: 'internal' });
    shards.get('s1')!.refusal = new DownpourError('loading', 'wait');
    const pulling = client.pull(empty(), live);
    await repository.remove('job');
    await expect(pulling).rejects.toMatchObject({ code: 'not-found' });
    await expect(
      client.push({ gradient: truth, epoch: 0, chunk: 0, push: 0, versions: [], examples: 1 }, live),
    ).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('lets at most its window of pushes be under way', async () => {
    const published: (() => void)[] = [];
    const publisher = {
      publish: () => new Promise<void>((resolve) => published.push(resolve)),
    } as unknown as PushPublisher;
    const narrow = new NatsParameterClient({
      requests: new RequestClient(link),
      publisher,
      plans,
      plan,
      instance: 'w',
      window: 2,
    });
    const push = (index: number) =>
      narrow.push({ gradient: truth, epoch: 0, chunk: 0, push: index, versions: [1, 1], examples: 1 }, live);
    const pushes = [0, 1, 2].map(push);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(published).toHaveLength(4);
    published.splice(0, 2).forEach((resolve) => resolve());
    await pushes[0];
    await until('the third', () => published.length === 4);
    const third = pushes[2];
    await narrow.close();
    published.splice(0).forEach((resolve) => resolve());
    await third;
  });
});
