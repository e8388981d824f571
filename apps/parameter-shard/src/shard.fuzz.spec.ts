import type { JobPlan } from '@downpour/contracts';
import {
  accountProblem,
  errorReplySchema,
  examplesInPush,
  ledgerReplySchema,
  pullReplySchema,
  settledPushes,
  subjects,
} from '@downpour/contracts';
import { NatsStrategy } from '@downpour/nats';
import { IntakeLog, Loopback, MutatedFrames } from '@downpour/nats/testing';
import type { FrameSample } from '@downpour/nats/testing';
import { ParameterShard, shardIdentity } from '@downpour/parameters';
import type { LoggedPush } from '@downpour/parameters';
import { decodeFrame, formatSliceHead, sliceFrame } from '@downpour/tensor';
import { fuzzPlan, mutateBytes, SeededRandom, tellFuzz, until } from '@downpour/testing';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeCluster, fakePlan, fakeShardPushes } from './fakes.ts';
import { ShardController } from './shard.controller.ts';
import { ShardHost } from './shard-host.ts';
import { ShardMetrics } from './shard.metrics.ts';

const INSTANCE = 'shard-a';
const { frames, seed, timeoutMs } = fuzzPlan();
/** Enough that pushes are still missing after a million mutations, some of which are pushes all the same. */
const EPOCHS = 300;
const NEVER = { logBytes: Infinity, intervalMs: Infinity };

describe('a parameter-shard that is sent nonsense', () => {
  let plan: JobPlan;
  let loopback: Loopback;
  let log: IntakeLog;
  let host: ShardHost;
  let registry: Registry;
  let cluster: FakeCluster;

  beforeEach(async () => {
    plan = fakePlan({ owners: [INSTANCE], epochs: EPOCHS });
    // A flipped bit may make a value infinite.
    plan.spec.onBadGradient = 'skip';
    loopback = new Loopback();
    log = new IntakeLog(loopback.link.refusals);
    cluster = new FakeCluster();
    registry = new Registry();
    host = new ShardHost({
      instance: INSTANCE,
      ports: {
        log: () => log,
        snapshots: (jobId, shard) => cluster.snapshots(jobId, shard),
        initialParameters: () => cluster.initialParameters(),
        plan: (jobId) => cluster.plan(jobId),
        checkpoint: (jobId, number) => cluster.checkpoint(jobId, number),
        // Told of often, kept by nobody.
        report: () => undefined,
        publish: async () => undefined,
      },
      snapshotPolicy: NEVER,
      metrics: new ShardMetrics(registry),
      log: pino({ level: 'silent' }),
    });
    host.onPlan(plan);
    await until('the shard to be served', () => host.shards()[0]?.state === 'serving');
  });

  const event = () => host.shards()[0]!.event();
  const parametersOf = async (): Promise<Uint8Array> => {
    const answer = host.find(plan.jobId, 0).pull({
      type: 'pull',
      v: 1,
      jobId: plan.jobId,
      shard: 0,
      ownership: 1,
      ifNotVersion: -1,
      encoding: 'float32',
    });
    const data = answer.tensors!['parameters']!.data as Float32Array;
    return new Uint8Array(data.slice().buffer);
  };

  it(
    'applies what is a push of the plan, once, and nothing else; the rest is counted',
    async () => {
      const pushes = fakeShardPushes(plan, 0);
      const samples: FrameSample[] = pushes.map(({ header, gradient }) => ({ header, tensors: { gradient } }));
      const mutated = new MutatedFrames(seed, samples);
      const known = new Set(pushes.map(({ header: { epoch, chunk, push } }) => `${epoch} ${chunk} ${push}`));
      const { random } = mutated;
      const witness = ParameterShard.initial(shardIdentity(plan, 0), cluster.initial!);
      let sequence = 0;
      const settled = new Set<string>();
      // Told apart from what the shard does: by the plan alone.
      const mayCount = ({ header, gradient, scales }: LoggedPush): boolean => {
        const { jobId, shard, epoch, chunk, push, examples } = header;
        const planned = known.has(`${epoch} ${chunk} ${push}`);
        const bytes = { float32: 160, bfloat16: 80, float16: 80, int8: 40 }[gradient.dtype as string];
        const scaled =
          gradient.dtype === 'int8'
            ? scales?.dtype === 'float32' && scales.data.byteLength === 4
            : scales === undefined;
        return (
          jobId === plan.jobId &&
          shard === 0 &&
          planned &&
          examples === examplesInPush(plan.chunks, chunk, push) &&
          (header.bad === true || (gradient.shape.length === 1 && gradient.data.byteLength === bytes && scaled))
        );
      };
      const send = async (bytes: Uint8Array): Promise<void> => {
        const before = event();
        const refusedBefore = loopback.link.refusals.total;
        await log.append(bytes);
        const after = event();
        const isApplied = after.ledger.applied - before.ledger.applied;
        const isSettled = settledPushes(after.ledger) - settledPushes(before.ledger);
        let push: LoggedPush | null = null;
        try {
          const { header, tensors } = decodeFrame(bytes);
          const gradient = tensors['gradient'];
          const parts = { header: header as LoggedPush['header'], gradient: gradient! };
          sequence += 1;
          if (gradient !== undefined)
            push = {
              ...parts,
              ...(tensors['scales'] && { scales: tensors['scales'] }),
              sequence,
              firstSequence: sequence,
            };
        } catch {
          // No frame at all.
        }
        const wasRefusedHere = loopback.link.refusals.total - refusedBefore === 1;
        if (push === null || wasRefusedHere) {
          expect(wasRefusedHere).toBe(true);
          expect(isSettled).toBe(0);
          return;
        }
        const key = `${push.header.epoch} ${push.header.chunk} ${push.header.push}`;
        const counts = mayCount(push) && !settled.has(key);
        expect(isSettled).toBe(counts ? 1 : 0);
        expect(after.version - before.version).toBe(isApplied);
        if (!counts) return;
        settled.add(key);
        expect(witness.apply(push).kind).toBe(isApplied === 1 ? 'applied' : 'bad');
      };
      for (let round = 0; round < frames; round++) await send(mutated.next());
      // Slices of one push that contradict each other never make a push.
      for (let round = 0; round < frames / 20; round++) {
        const slices = sliceFrame(mutated.whole(random.below(samples.length)), 64);
        const totalBytes = slices.reduce((sum, slice) => sum + slice.byteLength, 0);
        const before = settledPushes(event().ledger);
        const missing = random.below(slices.length);
        for (const [index, slice] of slices.entries()) {
          if (index === missing) continue;
          const head = formatSliceHead({ id: `f${round}`, index, count: slices.length, totalBytes });
          const text = Buffer.from(mutateBytes(random, Buffer.from(head)))
            .toString('latin1')
            .replaceAll(/[\r\n]/g, ' ');
          await log.append(random.chance(0.5) ? slice : mutateBytes(random, slice), random.chance(0.5) ? head : text);
        }
        expect(settledPushes(event().ledger)).toBe(before);
      }
      // Whatever was sent: the job's own pushes are taken, each once.
      for (const [index] of pushes.entries()) await send(mutated.whole(index));
      for (const [index] of pushes.entries()) await send(mutated.whole(index));
      const { ledger, complete } = event();
      expect(complete).toBe(true);
      expect(accountProblem(ledger, plan.chunks, false)).toBe(null);
      const { buffer, byteOffset, byteLength } = witness.parameters;
      expect(
        Buffer.compare(await parametersOf(), new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength))),
      ).toBe(0);
      expect(loopback.link.refusals.total).toBeGreaterThan(frames / 2);
      tellFuzz(`parameter-shard: ${frames} mutated pushes`, [
        ...loopback.link.refusals.list(),
        ...(await outcomes(registry)),
      ]);
    },
    timeoutMs,
  );

  it(
    'answers every pull and every question about its ledger, or says why not',
    async () => {
      const strategy = new NatsStrategy(loopback.link, { instance: INSTANCE });
      const controller = new ShardController(host);
      strategy.addHandler(subjects.pull('{instance}'), async (frame) => controller.pull(frame as never));
      strategy.addHandler(subjects.ledger('{instance}'), async (frame) => controller.ledger(frame as never));
      strategy.listen(() => undefined);
      const shared = { v: 1, jobId: plan.jobId, shard: 0 };
      const mutated = new MutatedFrames(seed, [
        { header: { type: 'pull', ...shared, ownership: 1, ifNotVersion: -1, encoding: 'float32' } },
        { header: { type: 'ledger', ...shared } },
      ]);
      const random = new SeededRandom(seed);
      let answered = 0;
      for (let round = 0; round < frames; round++) {
        const subject = random.chance(0.5) ? subjects.pull(INSTANCE) : subjects.ledger(INSTANCE);
        const { header } = decodeFrame(await loopback.ask(subject, mutated.next()));
        const refusal = errorReplySchema.safeParse(header);
        if (refusal.success) expect(refusal.data.error.code).not.toBe('internal');
        else {
          answered += 1;
          (subject === subjects.pull(INSTANCE) ? pullReplySchema : ledgerReplySchema).parse(header);
        }
      }
      expect(loopback.link.refusals.total).toBe(frames - answered);
      expect(loopback.link.refusals.list().map(({ reason }) => reason)).not.toContain('internal');
      expect(event().version).toBe(0);
      tellFuzz(`parameter-shard: ${frames} mutated requests, ${answered} answered`, loopback.link.refusals.list());
      await strategy.close();
    },
    timeoutMs,
  );
});

const outcomes = async (registry: Registry) => {
  const metric = await registry.getSingleMetric('downpour_shard_pushes_total')!.get();
  return metric.values.map(({ labels, value }) => ({
    source: 'shard',
    reason: String(labels['outcome']),
    count: value,
  }));
};
