import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Lbfgs } from './lbfgs.ts';
import type { LbfgsState } from './lbfgs.ts';
import type { Function64 } from './fakes.ts';
import { MemoryObjective } from './fakes.ts';

/** Made by lbfgs.scipy.py. */
const scipy = JSON.parse(readFileSync(new URL('lbfgs.scipy.json', import.meta.url), 'utf8')) as Record<
  string,
  { loss: number; evaluations: number }
>;
const FINE = { gradientTolerance: 1e-5, lossTolerance: 0, maxIterations: 200 };

/** sum i * (x_i - 1)^2 / 2 */
const quadratic: Function64 = (point) => {
  const gradient = point.map((value, i) => (i + 1) * (value - 1));
  return { loss: point.reduce((sum, value, i) => sum + ((i + 1) * (value - 1) ** 2) / 2, 0), gradient };
};

const rosenbrock: Function64 = (point) => {
  const gradient = new Float64Array(point.length);
  let loss = 0;
  for (let i = 0; i + 1 < point.length; i++) {
    const [x, y] = [point[i]!, point[i + 1]!];
    loss += 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    gradient[i]! += -400 * x * (y - x * x) - 2 * (1 - x);
    gradient[i + 1]! += 200 * (y - x * x);
  }
  return { loss, gradient };
};

/** Two classes on features of a linear congruential generator; lbfgs.scipy.py makes the same. */
const logistic: Function64 = (point) => {
  const [examples, features, l2] = [200, 10, 0.01];
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
  const gradient = new Float64Array(features);
  let loss = 0;
  for (let n = 0; n < examples; n++) {
    const x = Array.from({ length: features }, random);
    const label = x[0]! + 2 * x[1]! - x[2]! + 0.5 * random() > 0 ? 1 : -1;
    const margin = label * x.reduce((sum, value, i) => sum + value * point[i]!, 0);
    loss += Math.log1p(Math.exp(-margin)) / examples;
    for (let i = 0; i < features; i++) gradient[i]! -= (label * x[i]!) / (1 + Math.exp(margin)) / examples;
  }
  for (let i = 0; i < features; i++) {
    loss += (l2 / 2) * point[i]! ** 2;
    gradient[i]! += l2 * point[i]!;
  }
  return { loss, gradient };
};

const problems = {
  quadratic: { of: quadratic, start: new Array<number>(50).fill(0) },
  rosenbrock2: { of: rosenbrock, start: [-1.2, 1] },
  rosenbrock10: { of: rosenbrock, start: [-1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1] },
  logistic: { of: logistic, start: new Array<number>(10).fill(0) },
};

describe('L-BFGS by broadcast scalars', () => {
  it.each(Object.keys(problems) as (keyof typeof problems)[])(
    "finds scipy's optimum of the problem %s in as many evaluations, give or take",
    async (name) => {
      const { of, start } = problems[name];
      const objective = new MemoryObjective(of, start);
      const state = await new Lbfgs(objective, FINE).run();
      const { loss, evaluations } = scipy[name]!;
      expect(Math.abs(state.loss - loss)).toBeLessThan(1e-6 * Math.max(1, Math.abs(loss)));
      expect(objective.evaluations).toBe(state.evaluations);
      expect(state.evaluations).toBeLessThanOrEqual(1.5 * evaluations + 5);
    },
  );

  it('does not take the beginning for the end of a descent', async () => {
    const state = await new Lbfgs(new MemoryObjective(rosenbrock, [-1.2, 1])).run();
    expect(state.iteration).toBeGreaterThan(20);
    expect(state.loss).toBeLessThan(1e-6);
  });

  it('needs two rounds for an evaluation, and one at the end', async () => {
    const objective = new MemoryObjective(rosenbrock, [-1.2, 1]);
    const { evaluations } = await new Lbfgs(objective, FINE).run();
    expect(objective.rounds).toBe(2 * evaluations + 1);
  });

  it('goes on from any stored iteration to the same bits', async () => {
    const whole = new MemoryObjective(rosenbrock, problems.rosenbrock10.start);
    const end = await new Lbfgs(whole, FINE).run();
    for (const at of [0, 3, 15]) {
      const state = JSON.parse(whole.restore(at)) as LbfgsState;
      const again = new MemoryObjective(rosenbrock, problems.rosenbrock10.start);
      for (const [name, vector] of whole.stored[at]!.vectors) again.vector(name).set(vector);
      const reached = await new Lbfgs(again, FINE, state).run();
      expect(JSON.stringify(reached)).toBe(JSON.stringify(end));
      expect(again.losses).toEqual(whole.losses.slice(state.evaluations));
      expect(again.vector('point')).toEqual(whole.stored.at(-1)!.vectors.get('point'));
    }
  });

  it('backs away from where the loss is not a number', async () => {
    const walled: Function64 = (point) => {
      const { loss, gradient } = quadratic(point);
      return point[0]! > 1.2 || point[1]! > 1.01 ? { loss: NaN, gradient } : { loss, gradient };
    };
    const objective = new MemoryObjective(walled, [-5, -3]);
    const state = await new Lbfgs(objective, FINE).run();
    expect(objective.losses.some((loss) => Number.isNaN(loss))).toBe(true);
    expect(state.loss).toBeLessThan(1e-8);
  });

  it('stops at the iteration it is told to, with its point in place', async () => {
    const objective = new MemoryObjective(rosenbrock, [-1.2, 1]);
    const state = await new Lbfgs(objective, FINE).run(({ iteration }) => iteration < 7);
    expect(state).toMatchObject({ iteration: 7, stopped: null });
    expect(rosenbrock(Float64Array.from(objective.vector('point'))).loss).toBeCloseTo(state.loss, 12);
    expect(objective.stored.at(-1)!.iteration).toBe(7);
  });

  it.each([
    ['evaluations', { maxEvaluations: 9 }],
    ['iterations', { maxIterations: 4 }],
    ['loss', { lossTolerance: 0.5 }],
  ] as const)('says why it stopped: %s', async (why, options) => {
    const objective = new MemoryObjective(rosenbrock, [-1.2, 1]);
    const state = await new Lbfgs(objective, { ...FINE, ...options }).run();
    expect(state.stopped).toBe(why);
    expect(objective.evaluations).toBeLessThanOrEqual(9 + 100 * Number(why !== 'evaluations'));
  });

  it('ends where rounding lets nothing get lower', async () => {
    const objective = new MemoryObjective(logistic, problems.logistic.start);
    const state = await new Lbfgs(objective, { gradientTolerance: 0, lossTolerance: -1, maxIterations: 500 }).run();
    expect(state.stopped).toBe('no-progress');
    expect(state.loss).toBeCloseTo(scipy['logistic']!.loss, 8);
    expect(objective.vector('point')).toEqual(objective.vector('base'));
  });
});
