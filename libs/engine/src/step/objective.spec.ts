import type { DatasetSummary } from '@downpour/contracts';
import type { LossKind, ObjectiveSpec } from '@downpour/models';
import { describe, expect, it } from 'vitest';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, layer, numbers, ROWS, stack } from '../testing/small-models.ts';
import { rowsOf, type Batch } from './batch.ts';

const TWO: DatasetSummary = { ...ROWS, classes: 2 };
const NUMBERS: DatasetSummary = { ...ROWS, labelKind: 'number', classes: 0, labelWidth: 2 };
const WEIGHTS = [0.5, 3, 0];

interface Case {
  dataset: DatasetSummary;
  units: number;
  activation: string;
  loss: LossKind;
  objective: ObjectiveSpec;
}
const softmax = { dataset: ROWS, units: 3, activation: 'softmax', loss: 'softmaxCrossEntropy' } as const;
const one = { dataset: TWO, units: 1, activation: 'sigmoid', loss: 'sigmoidCrossEntropy' } as const;
const CASES: Record<string, Case> = {
  'softmax, smoothed': { ...softmax, objective: { labelSmoothing: 0.2 } },
  'softmax, weighted': { ...softmax, objective: { classWeights: WEIGHTS } },
  'softmax, both': { ...softmax, objective: { labelSmoothing: 0.3, classWeights: WEIGHTS } },
  'one sigmoid, both': { ...one, objective: { labelSmoothing: 0.2, classWeights: [2, 0.25] } },
  'a sigmoid for each class, both': { ...softmax, activation: 'sigmoid', loss: 'sigmoidCrossEntropy', objective: { labelSmoothing: 0.2, classWeights: WEIGHTS } },
  'shares by sigmoid, smoothed': { dataset: NUMBERS, units: 2, activation: 'sigmoid', loss: 'sigmoidCrossEntropy', objective: { labelSmoothing: 0.1 } },
  'squared error of classes, weighted': { ...softmax, loss: 'meanSquaredError', objective: { classWeights: WEIGHTS } },
}; // prettier-ignore

/** By Keras's formulas, in loops over what the model predicts (there is no dropout). */
function plainLoss(
  { dataset, units, loss, objective }: Case,
  { count, labels }: Batch,
  predicted: Float32Array,
): number {
  const { labelSmoothing: s = 0, classWeights } = objective;
  let sum = 0;
  for (let row = 0; row < count; row++) {
    let mine = 0;
    for (let unit = 0; unit < units; unit++) {
      const p = predicted[row * units + unit]!;
      const hot = units === 1 ? labels[row]! : labels[row] === unit ? 1 : 0;
      const y = dataset.labelKind === 'number' ? labels[row * units + unit]! : hot;
      if (loss === 'softmaxCrossEntropy') mine -= (y * (1 - s) + s / units) * Math.log(p);
      else if (loss === 'meanSquaredError') mine += (p - y) ** 2 / units;
      else {
        const z = y * (1 - s) + s / 2;
        mine -= (z * Math.log(p) + (1 - z) * Math.log(1 - p)) / units;
      }
    }
    sum += mine * (classWeights?.[labels[row]!] ?? 1);
  }
  return sum / count;
}

async function open(one: Case) {
  const { dataset, units, activation, loss, objective } = one;
  const topology = stack({ ...dataset, classes: units }, [layer('Dense', { units: 5, activation: 'tanh' })]);
  topology.config.layers.at(-1)!.config['activation'] = activation;
  const opened = await twins(topology, dataset, loss, { objective });
  const next = numbers(3);
  const parameters = opened.prepared.initial.map((value) => value + next() - 0.5);
  const batch = batchOf(dataset, 40);
  if (dataset.labelKind === 'number') batch.labels = batch.labels.map((label) => Math.abs(label));
  return { ...opened, parameters, batch };
}

describe('What is trained', () => {
  it.each(Object.entries(CASES))(
    'by %s is the loss of plain loops, its gradient that of finite differences',
    async (_, one) => {
      const { parameters, batch, eager, compiled, prepared, dispose } = await open(one);
      const { loss, gradient } = compiled.step(parameters, batch, 1);
      expect(loss).toBeCloseTo(plainLoss(one, batch, compiled.predict(parameters, batch)), 5);
      expect(difference(eager.step(parameters, batch, 1).gradient, gradient)).toBeLessThan(1e-5);
      const by = 1e-2;
      const lossAt = (i: number, delta: number) => {
        const moved = parameters.slice();
        moved[i]! += delta;
        return compiled.step(moved, batch, 1).loss;
      };
      const slopes = Float32Array.from(
        { length: prepared.layout.trainableLength },
        (_, i) => (lossAt(i, by) - lossAt(i, -by)) / (2 * by),
      );
      expect(difference(slopes, gradient)).toBeLessThan(2e-3);
      dispose();
    },
  );

  it('is not what is evaluated: there the loss is as it is', async () => {
    const both = CASES['softmax, both']!;
    const [changed, plain] = [await open(both), await open({ ...both, objective: {} })];
    const { parameters, batch } = changed;
    expect(changed.compiled.evaluate(parameters, batch)).toEqual(plain.compiled.evaluate(parameters, batch));
    expect(changed.eager.evaluate(parameters, batch)).toEqual(plain.eager.evaluate(parameters, batch));
    expect(changed.compiled.step(parameters, batch, 1).loss).not.toBeCloseTo(
      plain.compiled.step(parameters, batch, 1).loss,
      2,
    );
    changed.dispose();
    plain.dispose();
  });

  it('counts each example by its weight, in a mean over all of them', async () => {
    const weighted = await open(CASES['softmax, weighted']!);
    const plain = await open({ ...softmax, objective: {} });
    const { parameters, batch } = weighted;
    const expected = new Float32Array(parameters.length);
    for (let row = 0; row < batch.count; row++) {
      const [features, labels] = [rowsOf(batch.features, 40, row, row + 1), rowsOf(batch.labels, 40, row, row + 1)];
      const { gradient } = plain.compiled.step(parameters, { count: 1, features, labels }, 1);
      gradient.forEach((value, i) => (expected[i]! += (WEIGHTS[labels[0]!]! * value) / batch.count));
    }
    expect(difference(expected, weighted.compiled.step(parameters, batch, 1).gradient)).toBeLessThan(1e-5);
    weighted.dispose();
    plain.dispose();
  });
});
