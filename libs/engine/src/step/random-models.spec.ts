import { describe, expect, it } from 'vitest';
import { randomModel } from '../testing/random-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, numbers } from '../testing/small-models.ts';

/** Of each kind. `RANDOM_MODELS=500 vitest run random-models` looks further. */
const MODELS = Number(process.env['RANDOM_MODELS'] ?? 12);

describe.each(['rows', 'images', 'sequences'] as const)('Random models of %s', (kind) => {
  const seeds = Array.from({ length: MODELS }, (_, i) => i + 1);

  it.each(seeds)('have the gradient of op by op and of finite differences (%i)', { timeout: 60_000 }, async (seed) => {
    const { dataset, topology, text } = randomModel(seed, kind);
    const { prepared, eager, compiled, dispose } = await twins(topology, dataset);
    const { initial, layout } = prepared;
    const next = numbers(seed);
    // Biases that are not all zero, and averages that are not those of the start.
    const parameters = initial.map((value) => value + 0.2 * next());
    for (const count of [9, 4]) {
      const batch = batchOf(dataset, count, seed);
      const reference = eager.step(parameters, batch, seed);
      const graph = compiled.step(parameters, batch, seed);
      // TensorFlow's optimizer sums in another order here and there: a last digit.
      expect(difference(reference.gradient, graph.gradient), text).toBeLessThan(1e-4);
      expect(Math.abs(graph.loss - reference.loss), text).toBeLessThan(1e-5 * (1 + Math.abs(reference.loss)));
      expect(graph.correct).toBe(reference.correct);
      const [whole, part] = [eager, compiled].map((runner) => runner.evaluate(parameters, batch));
      expect(part!.lossSum).toBeCloseTo(whole!.lossSum, 4);
    }

    // Along the gradient the slope is its length: all parameters count, none drowns in rounding.
    const batch = batchOf(dataset, 9, seed);
    const gradient = compiled.step(parameters, batch, seed).gradient.fill(0, layout.trainableLength);
    const length = Math.hypot(...gradient);
    const slope = (by: number) => {
      const loss = (sign: number) => {
        const moved = parameters.map((value, i) => value + (sign * by * gradient[i]!) / length);
        return compiled.step(moved, batch, seed).loss;
      };
      return (loss(1) - loss(-1)) / (2 * by);
    };
    const error = Math.min(...[1e-2, 3e-3, 1e-3].map((by) => Math.abs(slope(by) - length)));
    expect(error, text).toBeLessThan(0.01 * length + 2e-3);
    dispose();
  });
});
