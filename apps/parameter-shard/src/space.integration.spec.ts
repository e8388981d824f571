import type { JobEvent, JobPlan, PushHeader } from '@downpour/contracts';
import { buckets, ledgerReplySchema, objects, streams, subjects } from '@downpour/contracts';
import {
  connectNats,
  EventBus,
  KvPlanRepository,
  NatsCoordinatorPort,
  NatsParameterClient,
  NatsSnapshotStore,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { fakePushes } from '@downpour/parameters/fakes';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakePlan } from './fakes.ts';
import { shardService } from './shard.service-definition.ts';

/** 20 KB a push, 3.4 MB in all, through a log of 1 MiB. */
const LENGTH = 5000;
const EPOCHS = 20;
const LOG_BYTES = 2 ** 20;

interface StreamAnswer {
  config: object;
  state: { bytes: number };
}

describe('when space runs out', { timeout: 90_000 }, () => {
  let nats: NatsServer;
  let link: NatsLink;
  let requests: RequestClient;
  let plans: PlanWatcher;
  let repository: KvPlanRepository;
  let store: ObjectStore;
  let coordinator: NatsCoordinatorPort;
  let service: RunningService<unknown>;
  const events: JobEvent[] = [];

  beforeAll(async () => {
    nats = await startNatsServer();
    // Snapshots come by the log's size alone.
    const env = {
      NATS_URL: nats.url,
      LOG_LEVEL: 'silent',
      SNAPSHOT_INTERVAL_MS: '86400000',
      SHARD_EVENT_INTERVAL_MS: '50',
    };
    service = await startService({ ...shardService(), env });
    link = await connectNats({ servers: nats.url });
    requests = new RequestClient(link);
    plans = await PlanWatcher.start(link);
    repository = new KvPlanRepository(link);
    store = new ObjectStore(link);
    coordinator = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
    await new EventBus(link).followAll(0, (_jobId, event) => void events.push(event));
  });

  afterAll(async () => {
    await plans.stop();
    requests.close();
    await link.close();
    await service.stop();
    await nats.stop();
  });

  const api = async (subject: string, request: object = {}): Promise<StreamAnswer> =>
    JSON.parse(new TextDecoder().decode((await link.nc.request(`$JS.API.${subject}`, JSON.stringify(request))).data));

  /** A job with a log of 1 MiB, a client that pushes to it, and what the client says it waits for. */
  const begin = async (jobId: string, owner: string | null) => {
    const { instance } = service.context;
    const first = fakePlan({ jobId, owners: [owner && instance, owner && instance], length: LENGTH, epochs: EPOCHS });
    const { logBytes } = await coordinator.createStreams(jobId, { storage: 'file', replicas: 1, maxBytes: LOG_BYTES });
    const plan: JobPlan = { ...first, spec: { ...first.spec, log: { ...first.spec.log, maxBytes: logBytes! } } };
    await store.put(objects.initialParameters(jobId), new Uint8Array(4 * LENGTH));
    await repository.put(plan, null);
    await until('the plan', () => plans.current(jobId) !== null);
    const publisher = new PushPublisher(link);
    const waits: string[] = [];
    publisher.onWaiting((_jobId, why) => void waits.push(why));
    const client = new NatsParameterClient({
      requests,
      publisher,
      plans,
      plan,
      instance: 'worker-a',
    });
    const gradient = new Float32Array(LENGTH).fill(1);
    const push = ({ epoch, chunk, push: index, examples }: PushHeader) =>
      client.push({ gradient, epoch, chunk, push: index, versions: [0, 0], examples }, AbortSignal.timeout(60_000));
    const headers = fakePushes({ jobId, shard: 0, chunks: plan.chunks });
    const accounts = async () =>
      Promise.all(
        plan.shards.map(async ({ shard }) => {
          const request = { type: 'ledger', v: 1, jobId, shard };
          const answer = await requests.request(subjects.ledger(instance), request, {}, { reply: ledgerReplySchema });
          return answer.header;
        }),
      );
    const complete = async () => {
      await until('every push applied', async () => (await accounts()).every((account) => account.complete), 30_000);
      for (const { ledger } of await accounts())
        expect(ledger).toMatchObject({
          expected: 160,
          applied: 160,
          duplicatesDropped: 0,
          examplesApplied: 50 * EPOCHS,
        });
    };
    const logged = async () => (await api(`STREAM.INFO.${streams.pushLog(jobId)}`)).state.bytes;
    return { plan, push, headers, waits, complete, logged, client };
  };

  it('a log that is smaller than the job is trimmed behind snapshots before it is full', async () => {
    const { push, headers, waits, complete, logged } = await begin('job-small', 'me');
    let largest = 0;
    for (const header of headers) {
      await push(header);
      largest = Math.max(largest, await logged());
    }
    await complete();
    expect(largest).toBeGreaterThan(LOG_BYTES / 8);
    expect(largest).toBeLessThan(LOG_BYTES);
    expect(waits).toEqual([]);
  });

  it('pushes wait while the log is full, say so, and go on once there is a shard that makes room', async () => {
    const { plan, push, headers, waits, complete, logged } = await begin('job-full', null);
    const pushing = Promise.all(headers.map(push));
    await until('the log to be full', () => waits.length > 0);
    expect(waits[0]).toMatch(/^room in the push log of job job-full: NATS says "maximum bytes exceeded"/);
    const full = await logged();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await logged()).toBe(full);
    const { instance } = service.context;
    const revision = (await repository.get(plan.jobId))!.revision;
    await repository.put(
      { ...plan, shards: plan.shards.map((shard) => ({ ...shard, instance, ownership: 2 })) },
      revision,
    );
    await pushing;
    await complete();
  });

  it('an object store without room fills the log: the job hears why, waits, and goes on when there is room', async () => {
    const name = `OBJ_${buckets.objects}`;
    const { push, headers, waits, complete } = await begin('job-store', 'me');
    const { config } = await api(`STREAM.INFO.${name}`);
    await api(`STREAM.UPDATE.${name}`, { ...config, max_bytes: 1024 });
    const pushing = Promise.all(headers.map(push));
    await until('the log to be full', () => waits.length > 0, 20_000);
    const problem = await until('the reason', () =>
      events.find((event) => event.type === 'problem' && event.code === 'snapshot-failed'),
    );
    expect(problem).toMatchObject({ fatal: false });
    expect(problem).toHaveProperty('message', expect.stringContaining('maximum bytes exceeded'));
    await api(`STREAM.UPDATE.${name}`, { ...config, max_bytes: -1 });
    await pushing;
    await complete();
  });

  it('an object store that was deleted is made again: shards store anew what they hold', async () => {
    const { push, headers, complete } = await begin('job-gone', 'me');
    for (const header of headers.slice(0, 80)) await push(header);
    expect(await api(`STREAM.DELETE.OBJ_${buckets.objects}`)).toMatchObject({ success: true });
    for (const header of headers.slice(80)) await push(header);
    await complete();
    const kept = new NatsSnapshotStore(new ObjectStore(link), 'job-gone', 0);
    expect(
      await until('two snapshots', async () => ((await kept.list()).length === 2 ? kept.list() : null)),
    ).toHaveLength(2);
  });
});
