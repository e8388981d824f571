import type { JobPlan, LedgerReply, PushHeader } from '@downpour/contracts';
import { accountsProblem, ledgerReplySchema, objects, subjects } from '@downpour/contracts';
import {
  connectNats,
  EventBus,
  KvPlanRepository,
  NatsCoordinatorPort,
  NatsParameterClient,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { rangesLength } from '@downpour/parameters';
import { fakePushes } from '@downpour/parameters/fakes';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakePlan } from './fakes.ts';
import { shardService } from './shard.service-definition.ts';

const LENGTH = 40;
const EPOCHS = 3;

describe('a shard over NATS, whatever is delivered', { timeout: 60_000 }, () => {
  let nats: NatsServer;
  let link: NatsLink;
  let requests: RequestClient;
  let plans: PlanWatcher;
  let repository: KvPlanRepository;
  const services: RunningService<unknown>[] = [];
  const problems: { code: string; message: string; fatal: boolean; jobId: string }[] = [];

  beforeAll(async () => {
    nats = await startNatsServer();
    const env = { NATS_URL: nats.url, LOG_LEVEL: 'silent' };
    services.push(...(await Promise.all([0, 1].map(() => startService({ ...shardService(), env })))));
    link = await connectNats({ servers: nats.url });
    requests = new RequestClient(link);
    plans = await PlanWatcher.start(link);
    repository = new KvPlanRepository(link);
    await new EventBus(link).followAll(0, (jobId, event) => {
      if (event.type === 'problem') problems.push({ ...event, jobId });
    });
  });

  afterAll(async () => {
    await plans.stop();
    requests.close();
    await link.close();
    await Promise.all(services.map((service) => service.stop()));
    await nats.stop();
  });

  /** A job of two shards on the first process, and what a test does with it. */
  const begin = async (jobId: string, onBadGradient: 'skip' | 'fail' = 'skip') => {
    const instance = (at: number) => services[at]!.context.instance;
    const first = fakePlan({ jobId, owners: [instance(0), instance(0)], length: LENGTH, epochs: EPOCHS });
    let plan: JobPlan = { ...first, spec: { ...first.spec, onBadGradient } };
    const coordinator = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
    await coordinator.createStreams(jobId, { storage: 'file', replicas: 1 });
    const initial = Float32Array.from({ length: LENGTH }, (_, index) => index);
    await new ObjectStore(link).put(objects.initialParameters(jobId), new Uint8Array(initial.buffer));
    await repository.put(plan, null);
    await until('the plan', () => plans.current(jobId) !== null);
    const publisher = new PushPublisher(link);
    const client = new NatsParameterClient({ requests, publisher, plans, plan, instance: 'worker-a' });
    const signal = () => AbortSignal.timeout(30_000);
    const gradientOf = ({ epoch, chunk, push }: PushHeader) =>
      new Float32Array(LENGTH).map((_, index) => Math.sin(epoch * 100 + chunk * 10 + push + index));
    const push = (header: PushHeader, bad?: true) =>
      client.push({ ...header, gradient: gradientOf(header), versions: [0, 0], ...(bad && { bad }) }, signal());
    /** To one shard alone, as somebody else might. */
    const pushTo = (shard: number, header: PushHeader, gradient: Float32Array) =>
      publisher.publish(
        { ...header, shard },
        {
          bytes: 4 * gradient.length,
          tensors: () => ({ gradient: { dtype: 'float32', shape: [gradient.length], data: gradient } }),
        },
        signal(),
      );
    const accounts = (): Promise<LedgerReply[]> =>
      Promise.all(
        plan.shards.map(async ({ shard, instance: owner }) => {
          const request = { type: 'ledger', v: 1, jobId, shard };
          return (await requests.request(subjects.ledger(owner!), request, {}, { reply: ledgerReplySchema })).header;
        }),
      );
    const parameters = async () =>
      (await client.pull({ vector: new Float32Array(LENGTH), versions: [-1, -1] }, signal())).vector;
    const handOver = async () => {
      const shards = plan.shards.map((shard) => ({ ...shard, instance: instance(1), ownership: shard.ownership + 1 }));
      plan = { ...plan, shards };
      await repository.put(plan, (await repository.get(jobId))!.revision);
      await until('the new plan', () => plans.current(jobId)?.shards[0]?.instance === instance(1));
    };
    const headers = fakePushes({ jobId, shard: 0, chunks: plan.chunks });
    const lengthOf = (shard: number) => rangesLength(plan.shards[shard]!.ranges);
    const settled = (count: number, others = 0) =>
      until(`${count} pushes settled`, async () => {
        // A process that was not heard of for a while says that it is to be asked again.
        const known = await accounts().catch(() => []);
        return (
          known.length > 0 &&
          known.every(
            ({ ledger }) =>
              ledger.applied + ledger.badDropped >= count && ledger.duplicatesDropped + ledger.refused >= others,
          )
        );
      });
    return { plan, push, pushTo, accounts, parameters, handOver, headers, lengthOf, settled };
  };
  const withoutOwner = (accounts: LedgerReply[]) =>
    accounts.map(({ ledger, ...rest }) => ({ ...rest, ledger: { ...ledger, instance: null } }));

  it('counts each push once when chunks are given out twice, out of order, and come late, and a new owner agrees', async () => {
    const { plan, push, headers, accounts, parameters, handOver, settled } = await begin('job-twice');
    // Two workers at once, one from the end; and once the first epoch is closed, its pushes come again.
    const firstEpoch = headers.filter(({ epoch }) => epoch === 0);
    await Promise.all([
      ...headers.slice(0, 12).map((each) => push(each)),
      ...headers
        .slice(4)
        .toReversed()
        .map((each) => push(each)),
    ]);
    for (const header of firstEpoch) await push(header);
    await settled(24, 16);
    const before = await accounts();
    for (const { ledger, complete } of before) {
      expect(ledger).toMatchObject({
        expected: 24,
        applied: 24,
        duplicatesDropped: 16,
        refused: 0,
        examplesApplied: 150,
      });
      expect(complete).toBe(true);
    }
    expect(
      accountsProblem(
        before.map(({ ledger }) => ledger),
        plan.chunks,
        2,
        false,
      ),
    ).toBeNull();
    const vector = await parameters();
    await handOver();
    expect(await parameters()).toEqual(vector);
    expect(withoutOwner(await accounts())).toEqual(withoutOwner(before));
  });

  it('drops a push that its worker found bad on every shard, and shows who and where', async () => {
    const { plan, push, headers, accounts, parameters, handOver, settled } = await begin('job-bad');
    for (const [at, header] of headers.entries()) await push(header, at === 5 ? true : undefined);
    // The chunk is given out again, and this time there are numbers: the shards have decided.
    await push(headers[5]!);
    await settled(24, 1);
    const before = await accounts();
    for (const { ledger } of before)
      expect(ledger).toMatchObject({
        applied: 23,
        badDropped: 1,
        duplicatesDropped: 1,
        badPushes: [{ epoch: 0, chunk: headers[5]!.chunk, push: headers[5]!.push, worker: 'worker-a' }],
      });
    expect(
      accountsProblem(
        before.map(({ ledger }) => ledger),
        plan.chunks,
        2,
        false,
      ),
    ).toBeNull();
    const vector = await parameters();
    await handOver();
    expect(await parameters()).toEqual(vector);
    expect(withoutOwner(await accounts())).toEqual(withoutOwner(before));
    expect(problems.filter(({ jobId }) => jobId === 'job-bad').slice(0, 2)).toMatchObject([
      { code: 'bad-gradient', fatal: false },
      { code: 'bad-gradient', fatal: false },
    ]);
  });

  it('drops the bad part of a push that comes from elsewhere on its shard alone; the other applies its own', async () => {
    const { push, pushTo, headers, accounts, lengthOf, settled, parameters } = await begin('job-part');
    for (const header of headers.slice(1)) await push(header);
    const poisoned = new Float32Array(lengthOf(1)).fill(1);
    poisoned[poisoned.length - 1] = -Infinity;
    await pushTo(0, headers[0]!, new Float32Array(lengthOf(0)).fill(1));
    await pushTo(1, headers[0]!, poisoned);
    await settled(24);
    expect((await accounts()).map(({ ledger }) => [ledger.applied, ledger.badDropped])).toEqual([
      [24, 0],
      [23, 1],
    ]);
    expect((await accounts()).every(({ complete }) => complete)).toBe(true);
    expect((await parameters()).every(Number.isFinite)).toBe(true);
  });

  it('tells the job that it is to fail, with worker and chunk, where bad gradients end it', async () => {
    const { pushTo, headers, accounts, lengthOf } = await begin('job-fails', 'fail');
    await pushTo(0, headers[3]!, new Float32Array(lengthOf(0)).fill(NaN));
    const told = await until('the problem', () => problems.find(({ jobId, fatal }) => jobId === 'job-fails' && fatal));
    expect(told).toMatchObject({ code: 'bad-gradient', chunk: { epoch: 0, chunk: headers[3]!.chunk } });
    expect(told.message).toContain('worker-a');
    expect((await accounts())[0]!.ledger).toMatchObject({ applied: 0, badDropped: 0 });
  });
});
