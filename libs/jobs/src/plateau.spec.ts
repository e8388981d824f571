import type { Evaluation, Plateau } from '@downpour/contracts';
import { learningRateScheduleSchema } from '@downpour/contracts';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { plateauAfter } from './plateau.ts';
import { evaluation } from './testing/evaluation.ts';

/** Made by bench/peers/reference_values.py. */
const keras = JSON.parse(readFileSync(new URL('plateau.keras.json', import.meta.url), 'utf8')) as {
  cases: { schedule: { metric: 'loss' | 'accuracy' }; values: number[]; factors: number[] }[];
};
const plateaus = (schedule: object, evaluations: Evaluation[]): Plateau[] => {
  const learningRateSchedule = learningRateScheduleSchema.parse({ kind: 'reduceOnPlateau', ...schedule });
  let plateau: Plateau | null = null;
  return evaluations.map((one) => (plateau = plateauAfter({ learningRateSchedule }, plateau, [one])!));
};

describe('reduce on plateau', () => {
  it.each(keras.cases)("follows Keras's to 1e-6: $schedule", ({ schedule, values, factors }) => {
    const ours = plateaus(
      schedule,
      values.map((value) => evaluation({ [schedule.metric]: value })),
    );
    expect(new Set(factors).size).toBeGreaterThan(2);
    for (const [at, { factor }] of ours.entries())
      expect(Math.abs(factor - factors[at]!), `at ${at}`).toBeLessThan(1e-6);
  });

  it('comes to the same whether evaluations come one at a time or several at once', () => {
    const losses = [1, 1, 1, 0.9, 1, 1, 1, 1].map((loss) => evaluation({ loss }));
    const learningRateSchedule = learningRateScheduleSchema.parse({
      kind: 'reduceOnPlateau',
      patience: 2,
      factor: 0.5,
    });
    const oneByOne = plateaus({ patience: 2, factor: 0.5 }, losses).at(-1);
    expect(oneByOne).toEqual({ factor: 0.125, best: 0.9, waited: 0 });
    const first = plateauAfter({ learningRateSchedule }, null, losses.slice(0, 5));
    expect(plateauAfter({ learningRateSchedule }, first, losses.slice(5))).toEqual(oneByOne);
    expect(plateauAfter({ learningRateSchedule }, first, [])).toEqual(first);
  });

  it('falls no lower than it may, and is nothing to regression by accuracy or to another schedule', () => {
    const flat = new Array<Evaluation>(20).fill(evaluation({}));
    expect(plateaus({ patience: 1, minFactor: 0.05 }, flat).at(-1)!.factor).toBe(0.05);
    expect(plateaus({ patience: 1, metric: 'accuracy' }, flat).at(-1)).toEqual({ factor: 1, best: null, waited: 0 });
    expect(plateauAfter({}, null, flat)).toBeNull();
  });
});
