import type { ValueEncoding, PushHeader, UpdateRuleSpec } from '@downpour/contracts';
import { learningRateScheduleSchema } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fakeEncodedGradient,
  fakeGradient,
  fakeIdentity,
  fakeInitialParameters,
  fakePushes,
  MemoryPushLog,
  MemorySnapshotStore,
} from './fakes.ts';
import { ParameterShard } from './parameter-shard.ts';
import type { LoggedRecord, PushLog } from './ports.ts';
import type { ShardIdentity } from './shard-identity.ts';
import { keepSnapshot } from './snapshot/keep-snapshot.ts';
import { recoverShard } from './snapshot/recover-shard.ts';
import { encodeSnapshot } from './snapshot/snapshot.ts';

const rules: UpdateRuleSpec[] = [
  { kind: 'sgd', learningRate: 0.05 },
  { kind: 'momentum', learningRate: 0.01, momentum: 0.9, nesterov: true },
  { kind: 'adagrad', learningRate: 0.05, initialAccumulator: 0.1 },
  { kind: 'rmsprop', learningRate: 0.001, decay: 0.9, momentum: 0.5, epsilon: 1e-7 },
  { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
];

const encodings: ValueEncoding[] = ['float32', 'bfloat16', 'float16', 'int8'];

/** Long enough for two scales of int8; ranges and state as in any shard. */
const LENGTH = 270;
const PLACE = {
  ranges: [
    { begin: 2, end: 262 },
    { begin: 290, end: 300 },
  ],
  length: LENGTH,
  trainableLength: 263,
  jobLength: 300,
};

/**
 * What happens next: a slice of some push arrives (in any order), somebody publishes a push again, the log hands over once more what it did before, or the owner
 * snapshots, dies, loses its newest snapshot.
 */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('slice' as const), pick: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      pick: fc.nat(),
      slices: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('redeliver' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('garbage' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), damageNewest: fc.boolean() }) },
);

class Owner {
  #shard!: ParameterShard;
  #damaged!: Set<number>;
  #following!: Awaited<ReturnType<PushLog['follow']>>;
  #taken: LoggedRecord[] = [];
  readonly #identity: ShardIdentity;
  readonly #log: MemoryPushLog;
  readonly #store: MemorySnapshotStore;

  constructor(identity: ShardIdentity, log: MemoryPushLog, store: MemorySnapshotStore) {
    this.#identity = identity;
    this.#log = log;
    this.#store = store;
  }
  async start(): Promise<void> {
    const { shard, position, damaged } = await recoverShard(this.#identity, {
      store: this.#store,
      initialShard: async () => ParameterShard.initial(this.#identity, fakeInitialParameters(this.#identity.jobLength)),
    });
    this.#shard = shard;
    this.#taken = [];
    this.#damaged = damaged;
    this.#following = await this.#log.follow(
      position,
      (push) => {
        shard.apply(push);
        this.#taken.push(push);
      },
      () => {},
    );
  }
  /** As from a log that delivers twice. */
  redeliver(pick: number): void {
    if (this.#taken.length > 0) this.#shard.apply(this.#taken[pick % this.#taken.length]!);
  }
  snapshot(): Promise<boolean> {
    return keepSnapshot(this.#shard, this.#following.safePosition(), this.#store, this.#log, this.#damaged);
  }
  stop(): Promise<void> {
    return this.#following.stop();
  }
  bits(): Uint8Array {
    return encodeSnapshot(this.#shard, 0);
  }
}

/** Of each rule and encoding. */
const RUNS = 40;

/** Lets the log's follower take in all that there is. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the fold over a push log', () => {
  // A rate that changes with every push, by either count, and weights that decay: both must be what they were when a shard comes back.
  const rates = (['versions', 'epochs'] as const).map((unit) => ({
    weightDecay: 0.3,
    schedule: learningRateScheduleSchema.parse({
      kind: 'cosine',
      over: unit === 'epochs' ? 1.3 : 9,
      unit,
      warmup: { over: 0.2 },
    }),
  }));
  const cases = rules.flatMap((rule, index) =>
    encodings.map((encoding) => ({
      kind: rule.kind,
      rule,
      encoding,
      rate: encoding === 'float32' ? rates[index % 2] : undefined,
    })),
  );
  it.each(cases)(
    'has the same bits, ledger and rule state whatever is reordered, doubled, killed and recovered: $kind, $encoding',
    async ({ rule, encoding, rate }) => {
      const identity = fakeIdentity({ ...PLACE, rule, ...rate });
      const pushes = fakePushes(identity);
      const gradients = pushes.map((_, index) => fakeEncodedGradient(encoding, LENGTH, index));
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
          const [log, store] = [new MemoryPushLog(), new MemorySnapshotStore()];
          const undisturbed = ParameterShard.initial(identity, fakeInitialParameters(identity.jobLength));
          const witness = await log.follow(
            0,
            (push) => void undisturbed.apply(push),
            () => {},
          );
          const owner = new Owner(identity, log, store);
          await owner.start();
          const sending: { next: () => number; left: number }[] = [];
          const publish = (header: PushHeader, slices: number): void => {
            const index = pushes.indexOf(header);
            sending.push({
              next: log.begin(
                { ...header, version: index % 3 },
                gradients[index]!.gradient,
                slices,
                gradients[index]!.scales,
              ),
              left: slices,
            });
          };
          for (const [index, header] of pushes.entries()) publish(header, 1 + (index % 3));
          let damaged = false;
          for (const next of steps) {
            if (next.kind === 'publish') publish(pushes[next.pick % pushes.length]!, next.slices);
            else if (next.kind === 'garbage') log.appendGarbage();
            else if (next.kind === 'redeliver') {
              await settle();
              owner.redeliver(next.pick);
            } else if (next.kind === 'snapshot') {
              await settle();
              await owner.snapshot();
              damaged = false;
            } else if (next.kind === 'slice' && sending.length > 0) {
              const push = sending[next.pick % sending.length]!;
              push.next();
              push.left -= 1;
              if (push.left === 0) sending.splice(sending.indexOf(push), 1);
            } else if (next.kind === 'crash') {
              await settle();
              await owner.stop();
              // Only one of the two kept snapshots is ever damaged here.
              const [newest, older] = store.positions;
              if (next.damageNewest && !damaged && newest !== undefined && older !== undefined) {
                store.damage(newest, 60);
                damaged = true;
              }
              await owner.start();
            }
          }
          while (sending.length > 0) {
            const push = sending.shift()!;
            for (; push.left > 0; push.left--) push.next();
          }
          await settle();
          expect(Buffer.compare(owner.bits(), encodeSnapshot(undisturbed, 0))).toBe(0);
          expect(undisturbed.ledger.complete).toBe(true);
          await Promise.all([owner.stop(), witness.stop()]);
        }),
        { numRuns: RUNS },
      );
    },
  );

  it('is not changed by duplicates', () => {
    const identity = fakeIdentity();
    const pushes = fakePushes(identity);
    const repeats = fc.array(fc.tuple(fc.nat(pushes.length - 1), fc.nat(pushes.length)), { maxLength: 40 });
    fc.assert(
      fc.property(repeats, (again) => {
        const [once, often] = [0, 0].map(() => ParameterShard.initial(identity, fakeInitialParameters()));
        let sequence = 0;
        const deliver = (shard: ParameterShard, index: number) =>
          shard.apply({
            header: pushes[index]!,
            gradient: fakeGradient(7, index),
            sequence: ++sequence,
            firstSequence: sequence,
          });
        for (let index = 0; index < pushes.length; index++) {
          deliver(once!, index);
          deliver(often!, index);
          for (const [repeat, at] of again) if (at === index && repeat <= index) deliver(often!, repeat);
        }
        expect(Buffer.compare(bytesOf(often!.parameters), bytesOf(once!.parameters))).toBe(0);
        expect(often!.version).toBe(once!.version);
      }),
    );
  });
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength));
