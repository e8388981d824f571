import type { ControlHeader, PushHeader, ShardControl, StrategySpec } from '@downpour/contracts';
import { initialControl, strategySchema } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { fakeGradient, fakeIdentity, fakeInitialParameters, fakePushes } from '../fakes.ts';
import { ParameterShard } from '../parameter-shard.ts';
import type { LoggedRecord } from '../ports.ts';
import { encodeSnapshot, openSnapshot, sealSnapshot } from '../snapshot/snapshot.ts';

const identityOf = (strategy: StrategySpec) =>
  fakeIdentity({ strategy, rule: { kind: 'sgd', learningRate: 0.1 }, trainableLength: 7 });
const shardOf = (strategy: StrategySpec) => ParameterShard.initial(identityOf(strategy), fakeInitialParameters());
const pushes = fakePushes(fakeIdentity());

/** The `at`th push of the plan, computed on `version`. */
const push = (at: number, sequence: number, part: Partial<PushHeader> = {}): LoggedRecord => ({
  header: { ...pushes[at]!, version: 0, worker: `w${at}`, ...part },
  gradient: fakeGradient(7, at),
  sequence,
  firstSequence: sequence,
});
const valuesOf = (at: number): Float32Array => new Float32Array(fakeGradient(7, at).data.slice().buffer);
const control = (sequence: number, part: Partial<ShardControl>, strategy: StrategySpec): LoggedRecord => {
  const header: ControlHeader = {
    type: 'control',
    v: 1,
    jobId: 'job-a',
    shard: 1,
    control: { ...initialControl(strategy), revision: 1, ...part },
  };
  return { header, sequence, firstSequence: sequence };
};
const closeTo = (got: Float32Array, wanted: Float32Array) => {
  for (const [at, value] of wanted.entries()) expect(got[at]).toBeCloseTo(value, 6);
};

const sync = (part: object = {}) => strategySchema.parse({ kind: 'sync', replicas: 3, ...part });

describe('async', () => {
  it('divides the rate of a stale gradient by 1 + its staleness', () => {
    const shard = shardOf(strategySchema.parse({ kind: 'async', stalenessScaling: 'inverse' }));
    for (const at of [0, 1, 2]) shard.apply(push(at, at + 1));
    const wanted = fakeParameters();
    for (const at of [0, 1, 2])
      for (const [index, value] of valuesOf(at).entries()) wanted[index]! -= (0.1 / (1 + at)) * value;
    closeTo(shard.parameters, wanted);
  });

  it('drops what is staler than maxStaleness, counts it, and takes it when it comes again', () => {
    const shard = shardOf(strategySchema.parse({ kind: 'async', maxStaleness: 1 }));
    expect([0, 1, 2].map((at) => shard.apply(push(at, at + 1)).kind)).toEqual(['applied', 'applied', 'late']);
    expect(shard.ledger.account()).toMatchObject({ applied: 2, lateDropped: 1, duplicatesDropped: 0 });
    expect(shard.ledger.missingChunks(1)[0]!.chunks).toContain(pushes[2]!.chunk);
    expect(shard.apply(push(2, 4, { version: 2 })).kind).toBe('applied');
  });
});

const fakeParameters = () => shardOf(sync()).parameters.slice();

describe('sync', () => {
  it('applies the mean of the first gradients of a step, and drops those that miss it as late', () => {
    const shard = shardOf(sync({ backups: 1 }));
    const kinds = [0, 1, 2].map((at) => shard.apply(push(at, at + 1)).kind);
    expect(kinds).toEqual(['held', 'applied', 'late']);
    expect(shard.version).toBe(1);
    const wanted = fakeParameters();
    const [a, b] = [valuesOf(0), valuesOf(1)];
    const [m, n] = [pushes[0]!.examples, pushes[1]!.examples];
    for (const index of wanted.keys()) wanted[index]! -= (0.1 * (m * a[index]! + n * b[index]!)) / (m + n);
    closeTo(shard.parameters, wanted);
    expect(shard.ledger.account()).toMatchObject({ applied: 2, lateDropped: 1 });
    expect(shard.ledger.settledPushes(pushes[2]!)).not.toContain(pushes[2]!.push);
  });

  it('has the same bits in whatever order the gradients of a step come', () => {
    const orders = [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ].map((order) => {
      const shard = shardOf(sync());
      for (const [index, at] of order.entries()) shard.apply(push(at, index + 1));
      return shard.parameters.slice();
    });
    expect(orders[1]).toEqual(orders[0]);
    expect(orders[2]).toEqual(orders[0]);
  });

  it('tells a worker that it is through when its push is in a step, or late, and not before', () => {
    const shard = shardOf(sync({ backups: 1 }));
    expect(shard.isThrough(1, 'w0')).toBe(false);
    shard.apply(push(0, 1));
    expect(shard.isThrough(1, 'w0')).toBe(false);
    // Who does not wait for steps is told that the log has been read so far.
    expect([shard.isThrough(1), shard.isThrough(2)]).toEqual([true, false]);
    shard.apply(push(1, 2));
    expect([shard.isThrough(1, 'w0'), shard.isThrough(2, 'w1')]).toEqual([true, true]);
    shard.apply(push(2, 3));
    expect(shard.isThrough(3, 'w2')).toBe(true);
  });

  it('counts a push that comes twice for its step once', () => {
    const shard = shardOf(sync());
    expect([0, 0, 1].map((at, index) => shard.apply(push(at, index + 1)).kind)).toEqual(['held', 'duplicate', 'held']);
    expect(shard.heldCount).toBe(2);
  });

  it('completes a step when the quorum sinks to what is there, and not before it is known', () => {
    const unknown = strategySchema.parse({ kind: 'sync' });
    const shard = shardOf(unknown);
    for (const at of [0, 1]) expect(shard.apply(push(at, at + 1)).kind).toBe('held');
    expect(shard.apply(control(3, { quorum: 3 }, unknown)).kind).toBe('control');
    expect(shard.apply(control(4, { quorum: 2, revision: 2 }, unknown)).kind).toBe('applied');
    expect([shard.version, shard.heldCount]).toEqual([1, 0]);
    // Older than what it knows.
    shard.apply(control(5, { quorum: 9, revision: 1 }, unknown));
    expect(shard.control.quorum).toBe(2);
  });

  it('lets a gradient that is not finite count for its step without changing it', () => {
    const shard = ParameterShard.initial(
      { ...identityOf(sync({ replicas: 2 })), onBadGradient: 'skip' },
      fakeInitialParameters(),
    );
    shard.apply(push(0, 1));
    expect(shard.apply(push(1, 2, { bad: true })).kind).toBe('bad');
    expect(shard.version).toBe(1);
    expect(shard.ledger.account()).toMatchObject({ applied: 1, badDropped: 1 });
  });

  it('goes on after a recovery in mid-step with the same bits: what was held comes again from the log', async () => {
    const records = [0, 1, 2, 3, 4, 5].map((at) => push(at, at + 1, { version: at < 3 ? 0 : 1 }));
    const undisturbed = shardOf(sync());
    for (const record of records) undisturbed.apply(record);
    for (let cut = 0; cut <= records.length; cut++) {
      const shard = shardOf(sync());
      for (const record of records.slice(0, cut)) shard.apply(record);
      const position = Math.min(cut, shard.firstHeld - 1);
      const { shard: heir } = await openSnapshot(
        await sealSnapshot(encodeSnapshot(shard, position)),
        identityOf(sync()),
      );
      for (const record of records.slice(position)) heir.apply(record);
      expect(heir.parameters).toEqual(undisturbed.parameters);
      expect(heir.ledger.account()).toEqual(undisturbed.ledger.account());
      expect(heir.version).toBe(2);
    }
  });
});

describe('a switch in mid-job', () => {
  it('applies what was held for a step, then goes by the new strategy, and back', () => {
    const shard = shardOf(sync());
    for (const at of [0, 1]) shard.apply(push(at, at + 1));
    const free = strategySchema.parse({ kind: 'async' });
    expect(shard.apply(control(3, {}, free)).kind).toBe('applied');
    expect(shard.apply(push(2, 4)).kind).toBe('applied');
    expect(shard.apply(control(5, { revision: 2, quorum: 2 }, sync())).kind).toBe('control');
    expect(shard.apply(push(3, 6)).kind).toBe('late');
    expect(shard.apply(push(4, 7, { version: 2 })).kind).toBe('held');
  });
});
