import type { UpdateRuleSpec } from '@downpour/contracts';
import { learningRateScheduleSchema } from '@downpour/contracts';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fakeGradient, fakeIdentity, fakeInitialParameters, fakePushes } from './fakes.ts';
import { ruleAt } from './learning-rate.ts';
import { ParameterShard } from './parameter-shard.ts';
import type { ShardIdentity } from './shard-identity.ts';

interface KerasCase {
  rule: UpdateRuleSpec;
  weightDecay: number;
  schedule: object | null;
  parameters: number[];
}
/** Made by bench/peers/reference_values.py, which has the same first values and gradients. */
const keras = JSON.parse(readFileSync(new URL('update-rules/keras.json', import.meta.url), 'utf8')) as {
  length: number;
  steps: number;
  cases: KerasCase[];
};
const start = Float32Array.from({ length: keras.length }, (_, i) => (((i * 53) % 97) - 48) / 64);
const gradientOf = (step: number): Float32Array =>
  Float32Array.from({ length: keras.length }, (_, i) =>
    i % 9 === 0 ? 0 : (((i * 37 + step * 101) % 199) - 99) / 2 ** (4 + (i % 7)),
  );

/** One shard that has all values of a job, and one push for each of the steps. */
const shardOf = ({ rule, schedule, weightDecay }: Pick<KerasCase, 'rule' | 'schedule' | 'weightDecay'>) => {
  const { length, steps } = keras;
  const identity = fakeIdentity({
    ranges: [{ begin: 0, end: length }],
    length,
    trainableLength: length,
    jobLength: length,
    rule,
    chunks: { examples: steps, chunkSize: steps, batchSize: 1, nPush: 1, epochs: 1, seed: 1 },
    ...(schedule && { schedule: learningRateScheduleSchema.parse({ unit: 'versions', ...schedule }) }),
    ...(weightDecay > 0 && { weightDecay }),
  });
  return ParameterShard.initial(identity, start);
};

describe('a shard', () => {
  it.each(keras.cases)(
    'moves its parameters as Keras does, to 1e-6: $rule, decay $weightDecay, $schedule',
    (reference) => {
      const shard = shardOf(reference);
      for (const [step, header] of fakePushes(shard.identity).entries()) {
        const gradient = {
          dtype: 'float32',
          shape: [keras.length],
          data: new Uint8Array(gradientOf(step).buffer),
        } as const;
        const push = { header, gradient, sequence: step + 1, firstSequence: step + 1 };
        expect(shard.apply({ ...push, gradient: { ...gradient, shape: [...gradient.shape] } }).kind).toBe('applied');
      }
      let worst = 0;
      for (const [i, expected] of reference.parameters.entries())
        worst = Math.max(worst, Math.abs(shard.parameters[i]! - expected) / Math.max(1, Math.abs(expected)));
      expect(worst).toBeLessThan(1e-6);
    },
  );

  const applyAll = (identity: ShardIdentity) => {
    const shard = ParameterShard.initial(identity, fakeInitialParameters());
    for (const [at, header] of fakePushes(identity).entries())
      shard.apply({ header, gradient: fakeGradient(7, at), sequence: at + 1, firstSequence: at + 1 });
    return shard;
  };

  it('decays trainable values only: moving averages get what is pushed', () => {
    const [plain, decayed] = [fakeIdentity(), fakeIdentity({ weightDecay: 3 })].map(applyAll);
    expect(decayed!.parameters.subarray(5)).toEqual(plain!.parameters.subarray(5));
    expect(decayed!.parameters.subarray(0, 5)).not.toEqual(plain!.parameters.subarray(0, 5));
  });

  it('without a schedule and without decay has the bits it had before there were any', () => {
    const constant = learningRateScheduleSchema.parse({ kind: 'constant' });
    expect(applyAll(fakeIdentity({ schedule: constant })).parameters).toEqual(applyAll(fakeIdentity()).parameters);
    const identity = fakeIdentity();
    expect(ruleAt(identity, { version: 3, epochs: 1 })).toBe(identity.rule);
  });

  it('moves less once its control has lowered the rate, and remembers that', () => {
    const rule = { kind: 'sgd', learningRate: 1 } as const;
    const identity = fakeIdentity({ rule });
    const shard = ParameterShard.initial(identity, new Float32Array(20));
    const ones = { dtype: 'float32' as const, shape: [7], data: new Uint8Array(new Float32Array(7).fill(-1).buffer) };
    const move = (on: ParameterShard, at: number): number => {
      const before = on.parameters[0]!;
      on.apply({ header: fakePushes(identity)[at]!, gradient: ones, sequence: at + 1, firstSequence: at + 1 });
      return on.parameters[0]! - before;
    };
    expect(move(shard, 0)).toBe(1);
    shard.follow({ ...shard.control, revision: 1, learningRateFactor: 0.25 });
    expect(move(shard, 1)).toBe(0.25);
    expect(move(ParameterShard.restore(identity, shard.capture()), 2)).toBe(0.25);
  });

  it('has the rate of the epoch that a gradient begins in, not of the one it ends', () => {
    const rule = { kind: 'sgd', learningRate: 1 } as const;
    const schedule = learningRateScheduleSchema.parse({ kind: 'step', every: 1, factor: 0.5 });
    const identity = fakeIdentity({ rule, schedule });
    const shard = ParameterShard.initial(identity, new Float32Array(20));
    const ones = { dtype: 'float32' as const, shape: [7], data: new Uint8Array(new Float32Array(7).fill(-1).buffer) };
    const moved = fakePushes(identity).map((header, at) => {
      const before = shard.parameters[0]!;
      shard.apply({ header, gradient: ones, sequence: at + 1, firstSequence: at + 1 });
      return shard.parameters[0]! - before;
    });
    // 8 pushes an epoch: see the plan of fakeIdentity.
    expect(moved).toEqual([...new Array<number>(8).fill(1), ...new Array<number>(8).fill(0.5)]);
  });
});
