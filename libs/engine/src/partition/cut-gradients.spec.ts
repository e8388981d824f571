import { describe, expect, it } from 'vitest';
import { CutModel } from '../testing/cut-models.ts';
import { randomModel } from '../testing/random-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, numbers } from '../testing/small-models.ts';

/** Of each kind. `RANDOM_MODELS=500 vitest run cut-gradients` looks further. */
const MODELS = Number(process.env['RANDOM_MODELS'] ?? 3);

describe.each(['rows', 'images', 'sequences'] as const)('Random models of %s, cut at random', (kind) => {
  const seeds = Array.from({ length: MODELS }, (_, i) => i + 1);

  it.each(seeds)('have the gradient of the uncut model (%i)', { timeout: 60_000 }, async (seed) => {
    const { dataset, topology, text } = randomModel(seed, kind);
    const { tensorflow, prepared, eager, dispose } = await twins(topology, dataset);
    const next = numbers(seed);
    const partitions = 2 + Math.floor(next() * 3);
    const layers = topology.config.layers.slice(1).map(({ config }) => config.name);
    const assignment = Object.fromEntries(layers.map((layer) => [layer, Math.floor(next() * partitions)]));
    const parameters = prepared.initial.map((value) => value + 0.2 * next());
    const batch = batchOf(dataset, 9, seed);
    const expected = eager.step(parameters, batch, seed);
    const message = `${text}, cut ${Object.values(assignment).join('')}`;
    for (const compile of [true, false]) {
      const cut = await CutModel.open(tensorflow, prepared, dataset, assignment, { compile });
      for (let again = 0; again < 2; again++) {
        const step = cut.step(parameters, batch, seed);
        expect(difference(expected.gradient, step.gradient), message).toBeLessThan(1e-5);
        expect(Math.abs(step.loss - expected.loss), message).toBeLessThan(1e-5 * (1 + Math.abs(expected.loss)));
        expect(step.correct).toBe(expected.correct);
      }
      expect(cut.evaluate(parameters, batch).lossSum).toBeCloseTo(eager.evaluate(parameters, batch).lossSum, 4);
      expect(cut.runners.map(({ fellBack }) => fellBack)).toEqual(cut.runners.map(() => null));
      cut.dispose();
    }
    dispose();
  });
});
