import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import type { LossKind } from '@downpour/models';
import { metricValues } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { twins } from '../testing/runners.ts';
import { batchOf, layer, numbers, ROWS, stack } from '../testing/small-models.ts';
import { rowsOf, type Batch } from './batch.ts';

const ALL_OF_CLASSES: JobSpec['metrics'] = ['accuracy', 'recall', 'topK', 'precision'];
const ALL_OF_NUMBERS: JobSpec['metrics'] = ['meanAbsoluteError', 'meanSquaredError'];
const SEVEN: DatasetSummary = { ...ROWS, classes: 7 };
const TWO: DatasetSummary = { ...ROWS, classes: 2 };
const NUMBERS: DatasetSummary = { ...ROWS, labelKind: 'number', classes: 0, labelWidth: 2 };

interface Case {
  dataset: DatasetSummary;
  units: number;
  activation: string;
  loss: LossKind;
  metrics: JobSpec['metrics'];
}
const CASES: Record<string, Case> = {
  'seven classes by softmax': { dataset: SEVEN, units: 7, activation: 'softmax', loss: 'softmaxCrossEntropy', metrics: ALL_OF_CLASSES },
  'seven classes by logits': { dataset: SEVEN, units: 7, activation: 'linear', loss: 'sigmoidCrossEntropy', metrics: ALL_OF_CLASSES },
  'one sigmoid for two classes': { dataset: TWO, units: 1, activation: 'sigmoid', loss: 'sigmoidCrossEntropy', metrics: ['precision', 'recall'] },
  'seven classes by squared error': { dataset: SEVEN, units: 7, activation: 'softmax', loss: 'meanSquaredError', metrics: [...ALL_OF_CLASSES, ...ALL_OF_NUMBERS] },
  'two numbers': { dataset: NUMBERS, units: 2, activation: 'linear', loss: 'meanSquaredError', metrics: ALL_OF_NUMBERS },
  'two shares by sigmoid': { dataset: NUMBERS, units: 2, activation: 'sigmoid', loss: 'sigmoidCrossEntropy', metrics: ALL_OF_NUMBERS },
}; // prettier-ignore

/** By loops over rows of what the model predicts. */
function plain({ dataset, units }: Case, topK: number, { count, labels }: Batch, predicted: Float32Array) {
  const rows = Array.from({ length: count }, (_, row) => [...predicted.subarray(row * units, (row + 1) * units)]);
  let [squares, sizes, among] = [0, 0, 0];
  const answers: number[] = [];
  rows.forEach((output, row) => {
    const targets =
      dataset.labelKind === 'number'
        ? [...labels.subarray(row * units, (row + 1) * units)]
        : output.map((_, i) => (i === labels[row] ? 1 : 0));
    output.forEach((value, i) => {
      squares += (value - targets[i]!) ** 2 / units;
      sizes += Math.abs(value - targets[i]!) / units;
    });
    const order = output.map((_, i) => i).sort((a, b) => output[b]! - output[a]! || a - b);
    if (order.slice(0, topK).includes(labels[row]!)) among += 1;
    answers.push(units === 1 ? (output[0]! > 0.5 ? 1 : 0) : order[0]!);
  });
  const shares = (over: ArrayLike<number>) => {
    const classes = units === 1 ? [1] : [...Array(units).keys()];
    const present = classes.filter((c) => answers.includes(c) || [...labels].includes(c));
    const of = present.map((c) => {
      const mine = answers.map((_, row) => row).filter((row) => over[row] === c);
      const hits = mine.filter((row) => answers[row] === c && labels[row] === c);
      return mine.length === 0 ? 0 : hits.length / mine.length;
    });
    return of.reduce((sum, share) => sum + share, 0) / of.length;
  };
  return {
    topK: among / count,
    precision: shares(answers),
    recall: shares(labels),
    meanSquaredError: squares / count,
    meanAbsoluteError: sizes / count,
  } satisfies Partial<Record<JobSpec['metrics'][number], number>>;
}

describe('Metrics', () => {
  it.each(Object.entries(CASES))('of %s are those of plain loops, however the rows are cut', async (_, one) => {
    const { dataset, units, activation, loss, metrics } = one;
    const topology = stack({ ...dataset, classes: units }, [layer('Dense', { units: 5, activation: 'tanh' })]);
    topology.config.layers.at(-1)!.config['activation'] = activation;
    const spec = { metrics, topK: 3 };
    const { prepared, eager, compiled, dispose } = await twins(topology, dataset, loss, { metrics: spec });
    const next = numbers(5);
    const parameters = prepared.initial.map((value) => 3 * value + next() - 0.5);
    const batch = batchOf(dataset, 200);
    // Nobody is of class 4.
    if (dataset.labelKind === 'class')
      batch.labels.forEach((label, row) => (batch.labels[row] = label === 4 ? 0 : label));
    const expected = plain(one, 3, batch, compiled.predict(parameters, batch));
    const parts = (ends: number[]) =>
      ends.map((end, i) => {
        const begin = ends[i - 1] ?? 0;
        const cut = <V extends Batch['features'] | Batch['labels']>(values: V) => rowsOf(values, 200, begin, end);
        return { count: end - begin, features: cut(batch.features), labels: cut(batch.labels) };
      });
    for (const [runner, ends] of [
      [eager, [200]],
      [compiled, [200]],
      [compiled, [1, 64, 150, 200]],
    ] as const) {
      const sums: number[] = [];
      for (const part of parts([...ends]))
        runner.evaluate(parameters, part).sums.forEach((value, i) => (sums[i] = (sums[i] ?? 0) + value));
      const values = metricValues(spec, sums, 200);
      expect(Object.keys(values).sort()).toEqual(metrics.filter((name) => name !== 'accuracy').sort());
      for (const [name, value] of Object.entries(values)) {
        const right = expected[name as keyof typeof expected];
        // Shares are of counts, which are exact; errors are float32 sums.
        expect(Math.abs(value - right), name).toBeLessThan(name.startsWith('mean') ? 1e-5 * (1 + right) : 1e-12);
        expect(value, name).toBeGreaterThan(0);
      }
    }
    dispose();
  });

  it('count the first of equal answers, and never one that is no number', async () => {
    const { prepared, compiled, dispose } = await twins(stack(SEVEN, []), SEVEN, 'softmaxCrossEntropy', {
      metrics: { metrics: ['topK'], topK: 3 },
    });
    const batch = { ...batchOf(SEVEN, 7), labels: Int32Array.of(0, 1, 2, 3, 4, 5, 6) };
    // All outputs are equal: classes 0 to 2 are the first three, as argMax has it.
    const flat = compiled.evaluate(
      prepared.initial.map(() => 0),
      batch,
    );
    expect([flat.correct, ...flat.sums]).toEqual([1, 3]);
    expect([
      ...compiled.evaluate(
        prepared.initial.map(() => NaN),
        batch,
      ).sums,
    ]).toEqual([0]);
    dispose();
  });

  it('leave a class out that is neither answered nor labelled, and give 0 to one that is never answered', () => {
    // hits, answers, labels of four classes; the last is not there at all, the third never answered.
    const sums = [2, 1, 0, 0, 4, 1, 0, 0, 2, 2, 1, 0];
    const values = metricValues({ metrics: ['precision', 'recall'] }, sums, 5);
    expect(values['precision']).toBeCloseTo((0.5 + 1 + 0) / 3, 12);
    expect(values['recall']).toBeCloseTo((1 + 0.5 + 0) / 3, 12);
    expect(metricValues({ metrics: ['precision'] }, [0, 0, 0], 5)).toEqual({ precision: 0 });
  });
});
