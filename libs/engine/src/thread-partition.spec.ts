import { prepareModel } from '@downpour/models';
import { functionalOf, variablePartitions } from '@downpour/models/topology';
import type { ModelCut } from '@downpour/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import { loadTensorFlow } from './tensorflow/load.ts';
import { difference } from './testing/runners.ts';
import { batchOf, layer, ROWS, stack } from './testing/small-models.ts';

const engine = await Engine.start();
afterAll(() => engine.close());

describe('A partition in TensorFlow’s thread', () => {
  it('comes to the gradient of the whole model, to its evaluation, and begins again after a step that was given up', async () => {
    await loadTensorFlow();
    const { topology, layout, initial } = await prepareModel(
      { model: { topology: stack(ROWS, [layer('Dense', { units: 5, activation: 'tanh' }, 'a')]) }, seed: 3 },
      ROWS,
    );
    const assignment: Record<string, number> = { a: 0, flat: 1, output: 1 };
    const cut: ModelCut = {
      partitions: 2,
      variables: variablePartitions(layout, assignment),
      nodes: functionalOf(topology)
        .config.layers.filter(({ config }) => config.name in assignment)
        .map(({ class_name, config }) => ({
          layer: config.name,
          className: class_name,
          partition: assignment[config.name]!,
          inputs: [],
          parameters: 0,
          costMs: 0,
          outputBytes: 0,
        })),
    };
    const plan = { topology, layout, cut, spec: {}, dataset: { summary: ROWS } };
    const whole = await engine.replica(plan);
    const parts = [await engine.partition(plan, 0), await engine.partition(plan, 1)];
    const examples = batchOf(ROWS, 8);
    const expected = await whole.step(initial, examples, 2, 8, 5);
    const own = [0, 1].map((partition) =>
      Float32Array.from(
        layout.variables.flatMap(({ offset, length }, i) =>
          cut.variables[i] === partition ? [...initial.subarray(offset, offset + length)] : [],
        ),
      ),
    );
    for (let round = 0; round < 2; round++) {
      const gradients = own.map(({ length }, i) => (round ? new Float32Array(length) : parts[i]!.allocate(length)));
      const common = { segment: 0, microBatch: 0, examples, begin: 2, end: 8, weight: 1, seed: 5, training: true };
      const first = await parts[0]!.forward({ ...common, parameters: own[0]!, inputs: [] });
      const second = { ...common, segment: 1, parameters: own[1]!, inputs: first.outputs };
      await parts[1]!.forward(second);
      await parts[1]!.forget();
      const last = await parts[1]!.forward(second);
      const back = { segment: 1, microBatch: 0, parameters: own[1]!, outputGradients: [], gradient: gradients[1]! };
      const pulls = await parts[1]!.backward(back);
      await parts[0]!.backward({
        ...back,
        segment: 0,
        parameters: own[0]!,
        outputGradients: pulls,
        gradient: gradients[0]!,
      });
      // Moved, not copied.
      expect(pulls.map(({ length }) => length)).toEqual([0]);
      expect(last.loss).toBeCloseTo(expected.loss, 5);
      const joined = Float32Array.from(gradients.flatMap((values) => [...values]));
      expect(difference(expected.gradient, joined)).toBeLessThan(1e-5);
      await expect(parts[1]!.backward(back)).rejects.toThrow('has not been run forward');
      const { sums } = await parts[1]!.forward({ ...second, training: false });
      const part = { count: 6, features: examples.features.subarray(8), labels: examples.labels.subarray(2) };
      expect(sums!.lossSum).toBeCloseTo((await whole.evaluate(initial, part as typeof examples)).lossSum, 4);
    }
    await Promise.all([...parts, whole].map((each) => each.dispose()));
  });
});
