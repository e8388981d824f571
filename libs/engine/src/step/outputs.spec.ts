import { exportModel, mainTopology } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { difference, twins, type Twins } from '../testing/runners.ts';
import { batchOf, numbers, ROWS } from '../testing/small-models.ts';
import { twoHeaded } from '../testing/two-headed.ts';

const batch = batchOf(ROWS, 12);
const SEED = 4;

async function open(lossWeights?: number[]) {
  const opened = await twins(twoHeaded(ROWS, lossWeights), ROWS);
  const next = numbers(5);
  return { ...opened, parameters: opened.prepared.initial.map((value) => value + 0.3 * next()) };
}

/** The part of a vector that belongs to a layer. */
function of(layer: string, { prepared }: Pick<Twins, 'prepared'>, vector: Float32Array): Float32Array {
  const parts = prepared.layout.variables.filter(({ name }) => name.startsWith(`${layer}/`));
  return Float32Array.from(parts.flatMap(({ offset, length }) => [...vector.subarray(offset, offset + length)]));
}

describe('A model with an auxiliary output', () => {
  it('has the gradient of finite differences, compiled and op by op', async () => {
    const { parameters, prepared, eager, compiled, dispose } = await open([1, 0.3]);
    const reference = eager.step(parameters, batch, SEED);
    const { gradient, loss, correct } = compiled.step(parameters, batch, SEED);
    expect(difference(reference.gradient, gradient)).toBeLessThan(1e-6);
    expect(loss).toBeCloseTo(reference.loss, 6);
    expect(correct).toBe(reference.correct);
    for (let i = 0; i < prepared.layout.length; i++) {
      const at = (by: number) => {
        const moved = parameters.slice();
        moved[i]! += by;
        return compiled.step(moved, batch, SEED).loss;
      };
      expect(Math.abs((at(1e-2) - at(-1e-2)) / 2e-2 - gradient[i]!), `parameter ${i}`).toBeLessThan(2e-3);
    }
    dispose();
  });

  it('is trained on the sum of its losses, each times its weight', async () => {
    const lossAt = async (weights?: number[]) => {
      const { parameters, compiled, dispose } = await open(weights);
      const step = compiled.step(parameters, batch, SEED);
      dispose();
      return step;
    };
    // The regularizer of `side` stands in each once.
    const [both, main, auxiliary, mixed] = [
      await lossAt(),
      await lossAt([1, 0]),
      await lossAt([0, 1]),
      await lossAt([2, 0.3]),
    ];
    const regularizer = main.loss + auxiliary.loss - both.loss;
    expect(regularizer).toBeGreaterThan(0);
    expect(mixed.loss - regularizer).toBeCloseTo(
      2 * (main.loss - regularizer) + 0.3 * (auxiliary.loss - regularizer),
      4,
    );
    const summed = main.gradient.map((value, i) => value + auxiliary.gradient[i]!);
    // `side` belongs to the auxiliary output; what it weighs is counted in both sums.
    const opened = await open();
    for (const layer of ['trunk', 'shared', 'main', 'auxiliary'])
      expect(difference(of(layer, opened, both.gradient), of(layer, opened, summed))).toBeLessThan(1e-5);
    // A weight of nothing teaches nothing.
    expect(of('auxiliary', opened, main.gradient).every((value) => value === 0)).toBe(true);
    expect(of('main', opened, auxiliary.gradient).every((value) => value === 0)).toBe(true);
    opened.dispose();
  });

  it('is evaluated and asked by its main output, whatever the auxiliary one has learnt', async () => {
    const opened = await open([1, 0.3]);
    const { parameters, eager, compiled, prepared, dispose } = opened;
    const alone = await twins(mainTopology(prepared.topology), ROWS);
    const { weights } = exportModel(prepared.topology, prepared.layout);
    const vector = Float32Array.from(weights.flatMap(({ begin, end }) => [...parameters.subarray(begin, end)]));
    expect(vector).toHaveLength(alone.prepared.layout.length);
    const expected = alone.compiled.evaluate(vector, batch);
    const predicted = alone.compiled.predict(vector, batch);
    for (const runner of [eager, compiled]) {
      expect(runner.evaluate(parameters, batch).lossSum).toBeCloseTo(expected.lossSum, 5);
      expect(runner.evaluate(parameters, batch).correct).toBe(expected.correct);
      expect(difference(runner.predict(parameters, batch), predicted)).toBeLessThan(1e-6);
    }
    alone.dispose();
    dispose();
  });
});
