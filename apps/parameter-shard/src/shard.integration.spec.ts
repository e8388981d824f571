import type { JobPlan, PushHeader } from '@downpour/contracts';
import { DownpourError, ledgerReplySchema, objects, subjects } from '@downpour/contracts';
import {
  connectNats,
  EventBus,
  JetStreamPushLog,
  KvPlanRepository,
  Membership,
  NatsCoordinatorPort,
  NatsParameterClient,
  NatsSnapshotStore,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { openSnapshot, ParameterShard, scatterRanges, shardIdentity } from '@downpour/parameters';
import { fakePushes } from '@downpour/parameters/fakes';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakePlan } from './fakes.ts';
import { shardService } from './shard.service-definition.ts';

/** Two shards of 1.1 MB each: a pull and a push take two slices of the server's 1 MB. */
const LENGTH = 550_000;
const RULE = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;

const filled = (value: (index: number) => number): Float32Array => {
  const vector = new Float32Array(LENGTH);
  for (let index = 0; index < LENGTH; index++) vector[index] = value(index);
  return vector;
};

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
const expectSame = (vector: Float32Array, wanted: Float32Array): void =>
  expect(Buffer.compare(bytesOf(vector), bytesOf(wanted))).toBe(0);

describe('parameter-shards over NATS', () => {
  let nats: NatsServer;
  let link: NatsLink;
  let requests: RequestClient;
  let plans: PlanWatcher;
  let repository: KvPlanRepository;
  let store: ObjectStore;
  let services: RunningService<unknown>[];
  let plan: JobPlan;
  let initial: Float32Array;
  let client: NatsParameterClient;
  /** The job's vector after so many pushes, as a lone replica in good order makes it. */
  let history: Float32Array[];
  let gradients: Float32Array[];
  let headers: PushHeader[];

  const startShard = () =>
    startService({
      ...shardService(),
      env: { NATS_URL: nats.url, LOG_LEVEL: 'silent', SNAPSHOT_LOG_BYTES: '3MB', SHARD_EVENT_INTERVAL_MS: '100' },
    });
  const instance = (at: number): string => services[at]!.context.instance;
  const owned = (owners: string[], ownership: number): JobPlan => ({
    ...plan,
    shards: plan.shards.map((shard, at) => ({ ...shard, instance: owners[at]!, ownership })),
  });
  const putPlan = async (next: JobPlan): Promise<void> => {
    plan = next;
    await repository.put(next, (await repository.get(next.jobId))?.revision ?? null);
    const ownership = next.shards[0]!.ownership;
    await until('the plan', () => plans.current(next.jobId)?.shards[0]?.ownership === ownership);
  };
  const pull = (signal = AbortSignal.timeout(20_000)) =>
    client.pull({ vector: new Float32Array(LENGTH), versions: [-1, -1] }, signal);
  /** Push number `at` of the job, to all shards. */
  const push = (at: number) => {
    const { epoch, chunk, push: index, examples } = headers[at]!;
    const gradient = gradients[at % gradients.length]!;
    return client.push(
      { gradient, epoch, chunk, push: index, versions: [at, at], examples },
      AbortSignal.timeout(20_000),
    );
  };
  const ledgers = () =>
    Promise.all(
      plan.shards.map(async ({ shard, instance }) => {
        const request = { type: 'ledger', v: 1, jobId: plan.jobId, shard };
        return (await requests.request(subjects.ledger(instance!), request, {}, { reply: ledgerReplySchema })).header;
      }),
    );
  const atVersion = (version: number) =>
    until(`version ${version}`, async () => (await pull()).versions.every((known) => known === version));

  beforeAll(async () => {
    nats = await startNatsServer();
    services = await Promise.all([startShard(), startShard()]);
    link = await connectNats({ servers: nats.url });
    requests = new RequestClient(link);
    plans = await PlanWatcher.start(link);
    repository = new KvPlanRepository(link);
    store = new ObjectStore(link);
    plan = fakePlan({ owners: [instance(0), instance(1)], length: LENGTH, rule: RULE });
    initial = filled((index) => (index % 1000) / 1000);
    gradients = [1, 2, 3].map((salt) => filled((index) => ((index * salt) % 101) - 50));
    headers = fakePushes({ jobId: plan.jobId, shard: 0, chunks: plan.chunks });
    const folds = plan.shards.map(({ shard }) => ParameterShard.initial(shardIdentity(plan, shard), initial));
    history = [initial];
    for (let at = 0; at < 16; at++) {
      const vector = new Float32Array(LENGTH);
      for (const [shard, fold] of folds.entries()) {
        const { ranges } = plan.shards[shard]!;
        const part = gradients[at % 3]!.slice(ranges[0]!.begin, ranges[0]!.end);
        const gradient = { dtype: 'float32' as const, shape: [part.length], data: new Uint8Array(part.buffer) };
        fold.apply({ header: { ...headers[at]!, shard }, gradient, sequence: at + 1, firstSequence: at + 1 });
        scatterRanges(fold.parameters, ranges, vector);
      }
      history.push(vector);
    }
    const coordinator = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
    await coordinator.createStreams(plan.jobId, { storage: 'file', replicas: 1 });
    await store.put(objects.initialParameters(plan.jobId), new Uint8Array(initial.buffer));
    client = new NatsParameterClient({
      requests,
      publisher: new PushPublisher(link),
      plans,
      plan,
      instance: 'worker-a',
    });
  });
  afterAll(async () => {
    await client.close();
    await plans.stop();
    requests.close();
    await link.close();
    await Promise.all(services.map((service) => service.stop()));
    await nats.stop();
  });

  it('join the cluster', async () => {
    const membership = await Membership.start(link);
    const members = membership.members().map(({ role, instance: name }) => `${role} ${name}`);
    await membership.stop();
    expect(members.sort()).toEqual(services.map(({ context }) => `parameter-shard ${context.instance}`).sort());
  });

  it('serve the initial parameters once a plan names them', async () => {
    await putPlan(plan);
    const { vector, versions } = await pull();
    expect(versions).toEqual([0, 0]);
    expectSame(vector, history[0]!);
  });

  it('apply what is pushed, and answer every pull with the vector of one version while they do', async () => {
    const answers: Promise<void>[] = [];
    const seen = new Set<number>();
    let pushing = true;
    for (let reader = 0; reader < 3; reader++)
      answers.push(
        (async () => {
          while (pushing) {
            const { vector, versions } = await pull();
            for (const [shard, { ranges }] of plan.shards.entries()) {
              const { begin, end } = ranges[0]!;
              seen.add(versions[shard]!);
              expectSame(vector.subarray(begin, end), history[versions[shard]!]!.subarray(begin, end));
            }
          }
        })(),
      );
    for (let at = 0; at < 6; at++) await push(at);
    await atVersion(6);
    pushing = false;
    await Promise.all(answers);
    expect(seen.size).toBeGreaterThan(1);
    expectSame((await pull()).vector, history[6]!);
  });

  it('cost a caller that is up to date only the version', async () => {
    const known = await pull();
    known.vector.fill(7);
    await client.pull(known, AbortSignal.timeout(5000));
    expect(known.versions).toEqual([6, 6]);
    expect(known.vector[0]).toBe(7);
  });

  it('count a push once however often it comes', async () => {
    await push(5);
    await push(2);
    await until('the duplicates', async () => (await ledgers()).every(({ ledger }) => ledger.duplicatesDropped === 2));
    for (const { ledger, version, complete } of await ledgers()) {
      expect(ledger).toMatchObject({ expected: 16, applied: 6, duplicatesDropped: 2, lateDropped: 0 });
      expect([version, complete]).toEqual([6, false]);
    }
    expectSame((await pull()).vector, history[6]!);
  });

  it('keep two snapshots, and the log no longer than the older one needs', async () => {
    const kept = new NatsSnapshotStore(store, plan.jobId, 0);
    for (let at = 6; at < 9; at++) await push(at);
    await atVersion(9);
    const [newest, older] = await until('two snapshots', async () => {
      const list = await kept.list();
      return list.length === 2 ? list : null;
    });
    const { shard } = await openSnapshot(await kept.load(newest!.name), shardIdentity(plan, 0));
    expect(shard.version).toBeGreaterThan(3);
    let first = Infinity;
    const follower = await new JetStreamPushLog(link, plan.jobId, 0).follow(
      0,
      ({ firstSequence }) => void (first = Math.min(first, firstSequence)),
      () => undefined,
    );
    await follower.caughtUp;
    await follower.stop();
    expect(first).toBeGreaterThan(older!.position);
  });

  it('hand a shard over: the next owner has the same bits and ledger, and the client finds it by itself', async () => {
    const before = await ledgers();
    await putPlan(owned([instance(1), instance(1)], 2));
    const { vector, versions } = await pull();
    expect(versions).toEqual([9, 9]);
    expectSame(vector, history[9]!);
    const after = await ledgers();
    expect(after.map(({ ledger }) => ({ ...ledger, instance: null }))).toEqual(
      before.map(({ ledger }) => ({ ...ledger, instance: null })),
    );
    const late = requests.request(subjects.pull(instance(0)), {
      type: 'pull',
      v: 1,
      jobId: plan.jobId,
      shard: 0,
      ownership: 1,
      ifNotVersion: -1,
    });
    await expect(late).rejects.toMatchObject({ code: 'not-owner' });
  });

  it('go on where they were when NATS was killed and is back', async () => {
    await push(9);
    await nats.kill();
    const waiting = push(10);
    await nats.restart();
    await waiting;
    await atVersion(11);
    expectSame((await pull()).vector, history[11]!);
    for (const { ledger } of await ledgers()) expect(ledger.applied).toBe(11);
  });

  it('leave within seconds, with a last snapshot; another one goes on', async () => {
    await push(11);
    await atVersion(12);
    const leaving = services.pop()!;
    const began = performance.now();
    await leaving.stop();
    expect(performance.now() - began).toBeLessThan(5000);
    const membership = await Membership.start(link);
    expect(membership.members().map(({ instance: name }) => name)).toEqual([instance(0)]);
    await membership.stop();
    for (const shard of [0, 1]) {
      const kept = new NatsSnapshotStore(store, plan.jobId, shard);
      const [newest] = await kept.list();
      expect((await openSnapshot(await kept.load(newest!.name), shardIdentity(plan, shard))).shard.version).toBe(12);
    }
    // Pushed while nobody owns the shards: it waits in the log.
    await push(12);
    services.push(await startShard());
    await putPlan(owned([instance(0), instance(1)], 3));
    for (let at = 13; at < 16; at++) await push(at);
    await atVersion(16);
    expectSame((await pull()).vector, history[16]!);
  });

  it('tell that they are complete, in events that others can read', async () => {
    for (const { ledger, complete } of await ledgers()) {
      expect(ledger).toMatchObject({ expected: 16, applied: 16, duplicatesDropped: 2, examplesApplied: 100 });
      expect(complete).toBe(true);
    }
    const complete = new Set<number>();
    const stop = await new EventBus(link).follow(plan.jobId, 0, (event) => {
      if (event.type === 'shard' && event.complete) complete.add(event.shard);
      // A snapshot that was on its way when NATS was killed is taken again.
      const isProblem = event.type === 'problem' && event.code !== 'snapshot-failed';
      expect(isProblem ? event.message : '').toBe('');
    });
    await until('both events', () => complete.size === 2);
    stop();
  });

  it('refuse what is no request, and what no plan gives them', async () => {
    const codeOf = async (header: unknown) => {
      const error = await requests.request(subjects.pull(instance(0)), header).catch((reason: unknown) => reason);
      return error instanceof DownpourError ? error.code : error;
    };
    expect(await codeOf({ type: 'pull' })).toBe('invalid-request');
    const asked = { type: 'pull', v: 1, jobId: 'job-z', shard: 0, ownership: 1, ifNotVersion: -1 };
    expect(await codeOf(asked)).toBe('not-owner');
  });

  it('count what they do at /metrics', async () => {
    const text = await (await fetch(`http://127.0.0.1:${services[0]!.port}/metrics`)).text();
    for (const line of [
      /downpour_shard_pushes_total\{outcome="applied",.*\} \d/,
      /downpour_shard_bytes_in_total\{.*\} \d/,
      /downpour_shard_bytes_out_total\{.*\} \d/,
      /downpour_shard_staleness_bucket\{le="0",.*\} \d/,
      /downpour_shard_pull_seconds_count\{.*outcome="answered".*\} \d/,
      /downpour_shard_shards\{state="serving",.*\} 1/,
    ])
      expect(text).toMatch(line);
  });

  it('let go of a job whose plan is gone, and leave nothing of it in the store', async () => {
    await repository.remove(plan.jobId);
    await until(
      'no snapshot',
      async () => (await store.list(objects.snapshot(plan.jobId, 0, 0).slice(0, -3))).length === 0,
    );
    const asked = { type: 'ledger', v: 1, jobId: plan.jobId, shard: 0 };
    await expect(requests.request(subjects.ledger(instance(0)), asked)).rejects.toMatchObject({ code: 'not-owner' });
  });

  it('leave in time while NATS is away', async () => {
    await nats.kill();
    const began = performance.now();
    await Promise.all(services.map((service) => service.stop()));
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
