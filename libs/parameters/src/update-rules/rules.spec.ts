import type { UpdateRuleSpec } from '@downpour/contracts';
import { Kernels, VectorMemory } from '@downpour/kernels';
// eslint-disable-next-line @nx/enforce-module-boundaries -- the reference that the rules are checked against; specs only
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { updateRuleOf } from './rules.ts';

const LENGTH = 257;
const STEPS = 100;

/** Small and large, zero and of either sign: what gradients are like. */
const gradientAt = (step: number): Float32Array =>
  Float32Array.from({ length: LENGTH }, (_, i) => (i % 16 === 0 ? 0 : Math.sin(step * 0.7 + i) * 10 ** ((i % 7) - 4)));
const start = (): Float32Array => Float32Array.from({ length: LENGTH }, (_, i) => Math.cos(i));

/** Runs of one vector, [0, LENGTH) if there is one. */
const runRule = (spec: UpdateRuleSpec, steps = STEPS, runs: readonly (readonly [number, number])[] = [[0, LENGTH]]) => {
  const rule = updateRuleOf(spec);
  const memory = VectorMemory.create(64 * 1024);
  const { rules } = Kernels.of(memory);
  const parameters = memory.float32(LENGTH);
  parameters.set(start());
  const slots = rule.slots(spec).map(({ initial }) => memory.float32(LENGTH).fill(initial));
  const gradient = memory.float32(LENGTH);
  for (let step = 1; step <= steps; step++) {
    gradient.set(gradientAt(step));
    for (const [begin, end] of runs) {
      const part = (vector: Float32Array) => vector.subarray(begin, end);
      const codes = part(gradient);
      rule.apply(rules, spec, part(parameters), { encoding: 'float32', codes }, slots.map(part), step);
    }
  }
  return parameters.slice();
};

const runReference = (optimizer: tf.Optimizer): Float32Array => {
  const variable = tf.variable(tf.tensor1d(start()));
  for (let step = 1; step <= STEPS; step++)
    tf.tidy(() => optimizer.applyGradients({ [variable.name]: tf.tensor1d(gradientAt(step)) }));
  const values = variable.dataSync().slice() as Float32Array;
  variable.dispose();
  optimizer.dispose();
  return values;
};

const cases: { spec: UpdateRuleSpec; reference: () => tf.Optimizer }[] = [
  { spec: { kind: 'sgd', learningRate: 0.05 }, reference: () => tf.train.sgd(0.05) },
  ...[false, true].map((nesterov) => ({
    spec: { kind: 'momentum' as const, learningRate: 0.01, momentum: 0.9, nesterov },
    reference: () => tf.train.momentum(0.01, 0.9, nesterov),
  })),
  {
    spec: { kind: 'adagrad', learningRate: 0.05, initialAccumulator: 0.1 },
    reference: () => tf.train.adagrad(0.05, 0.1),
  },
  // Only epsilon stands between a zero gradient and a division by zero.
  { spec: { kind: 'adagrad', learningRate: 0.05, initialAccumulator: 0 }, reference: () => tf.train.adagrad(0.05, 0) },
  ...[0, 0.9].map((momentum) => ({
    spec: { kind: 'rmsprop' as const, learningRate: 0.001, decay: 0.9, momentum, epsilon: 1e-7 },
    reference: () => tf.train.rmsprop(0.001, 0.9, momentum, 1e-7),
  })),
  {
    spec: { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    reference: () => tf.train.adam(0.001, 0.9, 0.999, 1e-7),
  },
  {
    spec: { kind: 'adam', learningRate: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 },
    reference: () => tf.train.adam(0.1, 0.5, 0.9, 1e-3),
  },
];

describe('update rules', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it.each(cases)(`follow TensorFlow's optimizer to 1e-6 over ${STEPS} steps: $spec`, ({ spec, reference }) => {
    const [ours, theirs] = [runRule(spec), runReference(reference())];
    let worst = 0;
    for (let i = 0; i < LENGTH; i++)
      worst = Math.max(worst, Math.abs(ours[i]! - theirs[i]!) / Math.max(1, Math.abs(theirs[i]!)));
    expect(worst).toBeLessThan(1e-6);
    expect(ours).not.toEqual(start());
  });

  it.each(cases)('give the same bits when a vector is applied in parts: $spec', ({ spec }) => {
    const whole = runRule(spec, 10);
    const parts = runRule(spec, 10, [
      [100, LENGTH],
      [0, 3],
      [3, 100],
    ]);
    expect(new Uint8Array(parts.buffer)).toEqual(new Uint8Array(whole.buffer));
  });

  it('remember nothing for rmsprop without momentum but its mean square', () => {
    const spec = { kind: 'rmsprop', learningRate: 0.001, decay: 0.9, momentum: 0, epsilon: 1e-7 } as const;
    expect(updateRuleOf(spec).slots(spec)).toEqual([{ name: 'rms', initial: 0 }]);
  });
});
