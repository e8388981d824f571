import type { PushHeader, UpdateRuleSpec } from '@downpour/contracts';
import { DownpourError, ledgerReplySchema, objects, subjects, updateRuleSchema } from '@downpour/contracts';
import {
  connectNats,
  JetStreamPushLog,
  KvPlanRepository,
  NatsCoordinatorPort,
  NatsSnapshotStore,
  ObjectStore,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import {
  encodeSnapshot,
  openSnapshot,
  ParameterShard,
  sealSnapshot,
  shardIdentity,
  isPush,
} from '@downpour/parameters';
import type { LoggedPush } from '@downpour/parameters';
import { startService } from '@downpour/platform';
import type { RunningService } from '@downpour/platform';
import { SeededRandom, startNatsServer, startTcpProxy, until } from '@downpour/testing';
import type { NatsServer, TcpProxy } from '@downpour/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakePlan, fakeShardPushes } from './fakes.ts';
import { shardService } from './shard.service-definition.ts';

/** 4 kB a push, so that a snapshot is due after every three of them. */
const LENGTH = 1000;
const SNAPSHOT_LOG_BYTES = '12kB';
const EPOCHS = 4;
const OWNERS = 4;
const rules: UpdateRuleSpec[] = [
  { kind: 'sgd' },
  { kind: 'momentum', nesterov: true },
  { kind: 'adagrad' },
  { kind: 'rmsprop', momentum: 0.9 },
  { kind: 'adam' },
].map((rule) => updateRuleSchema.parse(rule));

/** A parameter-shard process, and its way to NATS: cut, it is dead to the others, and yet alive with all that it believes. */
interface Owner {
  service: RunningService<unknown>;
  proxy: TcpProxy;
  instance: string;
}

describe('a shard whose owners die one after the other', () => {
  let nats: NatsServer;
  let link: NatsLink;
  let requests: RequestClient;
  let owners: Owner[];

  beforeAll(async () => {
    nats = await startNatsServer();
    owners = await Promise.all(
      [0, 1].map(async () => {
        const proxy = await startTcpProxy({ targetPort: nats.port });
        const env = { NATS_URL: proxy.url, LOG_LEVEL: 'silent', SNAPSHOT_LOG_BYTES, SHARD_EVENT_INTERVAL_MS: '50' };
        const service = await startService({ ...shardService(), env });
        return { service, proxy, instance: service.context.instance };
      }),
    );
    link = await connectNats({ servers: nats.url });
    requests = new RequestClient(link);
  });
  afterAll(async () => {
    await Promise.all(owners.map(({ service }) => service.stop()));
    await Promise.all(owners.map(({ proxy }) => proxy.stop()));
    requests.close();
    await link.close();
    await nats.stop();
  });

  it.each(rules)(
    'has the bits, rule state and ledger of an undisturbed replay of its log: $kind',
    async (rule) => {
      const jobId = `job-${rule.kind}`;
      const random = new SeededRandom(5);
      let revision: number | null = null;
      const plans = new KvPlanRepository(link);
      const plan = fakePlan({ jobId, owners: [owners[0]!.instance], length: LENGTH, epochs: EPOCHS, rule });
      const give = async ({ instance }: Owner, ownership: number): Promise<void> => {
        Object.assign(plan.shards[0]!, { instance, ownership });
        revision = await plans.put(plan, revision);
      };
      const ask = async ({ instance }: Owner, ownership: number): Promise<number | string> => {
        const asked = { type: 'pull', v: 1, jobId, shard: 0, ownership, ifNotVersion: -1, encoding: 'float32' };
        try {
          await requests.request(subjects.pull(instance), asked, {}, { timeoutMs: 1000 });
          const ledger = { type: 'ledger', v: 1, jobId, shard: 0 };
          return (await requests.request(subjects.ledger(instance), ledger, {}, { reply: ledgerReplySchema })).header
            .version;
        } catch (error) {
          return error instanceof DownpourError ? error.code : String(error);
        }
      };
      const coordinator = new NatsCoordinatorPort({ link } as ConstructorParameters<typeof NatsCoordinatorPort>[0]);
      await coordinator.createStreams(jobId, { storage: 'file', replicas: 1 });
      const initial = Float32Array.from({ length: LENGTH }, (_, index) => Math.sin(index));
      await new ObjectStore(link).put(objects.initialParameters(jobId), new Uint8Array(initial.buffer));

      // Every push as the log has it, before any of it is trimmed.
      const recorded: LoggedPush[] = [];
      const recorder = await new JetStreamPushLog(link, jobId, 0).follow(
        0,
        (push) => {
          if (isPush(push))
            recorded.push({ ...push, gradient: { ...push.gradient, data: push.gradient.data.slice() } });
        },
        () => undefined,
      );
      const publisher = new PushPublisher(link);
      const pushes = fakeShardPushes(plan, 0);
      const publish = async (header: PushHeader, { data, shape }: (typeof pushes)[number]['gradient']) => {
        const values = new Float32Array(data.buffer, data.byteOffset, LENGTH);
        const tensors = () => ({ gradient: { dtype: 'float32' as const, shape: [...shape], data: values } });
        await publisher.publish(header, { bytes: data.byteLength, tensors }, AbortSignal.timeout(20_000));
      };

      await give(owners[0]!, 1);
      const each = pushes.length / OWNERS;
      let published = 0;
      for (let ownership = 1; ownership <= OWNERS; ownership++) {
        const [owner, other] = [owners[(ownership - 1) % 2]!, owners[ownership % 2]!];
        for (const [index, { header, gradient }] of pushes.slice(published, (published += each)).entries()) {
          await publish(header, gradient);
          // Somebody has sent an older one again.
          if (index % 3 === 2) {
            const again = pushes[random.below(published - each + index)]!;
            await publish(again.header, again.gradient);
          }
          // Dies before it has applied all that is in the log.
          if (index === each - 3 && ownership < OWNERS) owner.proxy.cut();
        }
        if (ownership === OWNERS) break;
        await give(other, ownership + 1);
        await until('the next owner', async () => (await ask(other, ownership + 1)) === published, 15_000);
        // And comes back, with all that it believed.
        owner.proxy.pass();
        await until('it to let go', async () => (await ask(owner, ownership)) === 'not-owner', 15_000);
      }
      const last = owners[(OWNERS - 1) % 2]!;
      await until('the end', async () => (await ask(last, OWNERS)) === pushes.length, 15_000);
      await until('the record', () => recorded.length >= pushes.length + Math.floor(pushes.length / 4));
      await recorder.stop();

      const store = new NatsSnapshotStore(new ObjectStore(link), jobId, 0);
      // By size, the snapshots end somewhere before the end of the log: compare there.
      const [newest] = await until('two snapshots', async () => {
        const list = await store.list();
        return list.length >= 2 ? list : null;
      });
      const stored = await store.load(newest!.name);
      const identity = shardIdentity(plan, 0);
      const { logSequence } = (await openSnapshot(stored, identity)).shard.capture();
      const undisturbed = ParameterShard.initial(identity, initial);
      for (const push of recorded) if (push.sequence <= logSequence) undisturbed.apply(push);
      expect(undisturbed.version).toBeGreaterThan((pushes.length * 3) / 4);
      const wanted = await sealSnapshot(encodeSnapshot(undisturbed, newest!.position));
      expect(Buffer.compare(stored, wanted)).toBe(0);
      // It was no replay from the beginning: that part of the log is gone.
      let first = Infinity;
      const rest = await new JetStreamPushLog(link, jobId, 0).follow(
        0,
        ({ sequence }) => void (first = Math.min(first, sequence)),
        () => undefined,
      );
      await rest.caughtUp;
      await rest.stop();
      expect(first).toBeGreaterThan(recorded.length / 2);
      await plans.remove(jobId);
      await coordinator.removeStreams(jobId).catch(() => undefined);
    },
    60_000,
  );
});
