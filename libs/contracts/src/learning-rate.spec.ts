import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jobSpecSchema } from './job-spec.ts';
import { learningRateScheduleSchema } from './learning-rate-schedule.ts';
import { scheduleFactor } from './learning-rate.ts';
import { cosPi, power } from './portable-math.ts';

const factorAt = (schedule: object, at: number): number => {
  const parsed = learningRateScheduleSchema.parse({ unit: 'versions', ...schedule });
  return scheduleFactor(parsed, { version: at, epochs: NaN });
};
const refusal = (schedule: object): string =>
  learningRateScheduleSchema.safeParse(schedule).error?.issues[0]?.message ?? 'none';

/** Made by bench/peers/reference_values.py. */
const { cases } = JSON.parse(readFileSync(new URL('learning-rate.keras.json', import.meta.url), 'utf8')) as {
  cases: { name: string; schedule: object; factors: number[] }[];
};

describe('a learning-rate schedule', () => {
  it.each(cases)("follows Keras's to 1e-6: $name", ({ schedule, factors }) => {
    expect(factors.length).toBeGreaterThan(100);
    for (const [at, factor] of factors.entries())
      expect(Math.abs(factorAt(schedule, at) - factor), `at ${at}`).toBeLessThan(1e-6);
  });

  it('of versions and of epochs are the same function, each of its own count', () => {
    const schedule = { kind: 'exponential', over: 2, rate: 0.25 } as const;
    const epochs = learningRateScheduleSchema.parse(schedule);
    expect(scheduleFactor(epochs, { version: 1000, epochs: 1 })).toBeCloseTo(0.5, 12);
    expect(scheduleFactor({ ...epochs, unit: 'versions' }, { version: 4, epochs: 1 })).toBeCloseTo(0.0625, 12);
  });

  it('warms up in a straight line, whatever follows', () => {
    const warmup = { over: 10, startFactor: 0.25 };
    for (const kind of ['constant', 'reduceOnPlateau'])
      expect([0, 5, 10, 99].map((at) => factorAt({ kind, warmup }, at))).toEqual([0.25, 0.625, 1, 1]);
    expect(factorAt({ kind: 'constant', warmup: { over: 4 } }, 0)).toBe(0);
    expect(factorAt({ kind: 'step', every: 5, factor: 0.5, warmup }, 14.9)).toBe(1);
    expect(factorAt({ kind: 'step', every: 5, factor: 0.5, warmup }, 15)).toBe(0.5);
  });

  it('falls by steps: every so many, at boundaries by powers of a factor, or by factors that are given', () => {
    expect([0, 9, 10, 29, 30].map((at) => factorAt({ kind: 'step', every: 10, factor: 0.5 }, at))).toEqual([
      1, 1, 0.5, 0.25, 0.125,
    ]);
    const boundaries = [3, 5];
    expect([3, 3.1, 6].map((at) => factorAt({ kind: 'step', boundaries, factor: 0.1 }, at))).toEqual([
      1,
      0.1,
      0.1 * 0.1,
    ]);
    expect([3, 4, 6].map((at) => factorAt({ kind: 'step', boundaries, factors: [0.3, 0.7] }, at))).toEqual([
      1, 0.3, 0.7,
    ]);
  });

  it('is refused for L-BFGS, which has no learning rate', () => {
    const spec = { model: { zoo: 'logistic' }, dataset: 'mnist', strategy: { kind: 'sandblaster' } };
    expect(jobSpecSchema.safeParse(spec).success).toBe(true);
    for (const field of [
      { weightDecay: 0.1 },
      { gradientClip: { norm: 1 } },
      { learningRateSchedule: { kind: 'constant' } },
    ])
      expect(jobSpecSchema.safeParse({ ...spec, ...field }).error?.issues[0]?.message).toContain('Leave them out');
  });

  it('that contradicts itself is refused with what to do', () => {
    expect(refusal({ kind: 'step' })).toBe('give either every or boundaries');
    expect(refusal({ kind: 'step', every: 3, boundaries: [1] })).toBe('give either every or boundaries');
    expect(refusal({ kind: 'step', boundaries: [2, 2] })).toBe('boundaries must rise');
    expect(refusal({ kind: 'step', boundaries: [2, 3], factors: [1] })).toBe('give one factor for each boundary');
    expect(refusal({ kind: 'cosine', over: 3 })).toBe('none');
  });
});

describe('mathematics without libraries', () => {
  it('has the cosine and the power of the library to 1e-14', () => {
    for (let i = 0; i <= 1000; i++)
      expect(Math.abs(cosPi(i / 1000) - Math.cos((Math.PI * i) / 1000))).toBeLessThan(1e-14);
    for (const base of [1e-3, 0.1, 0.5, 0.9, 0.999, 1, 1.5, 2, 7, 1000])
      for (const exponent of [0, 0.1, 0.5, 1, 2.75, 17, 100.3, -3.5]) {
        const expected = base ** exponent;
        expect(Math.abs(power(base, exponent) - expected) / expected, `${base} ** ${exponent}`).toBeLessThan(1e-13);
      }
  });
});
