import type { DatasetSummary } from '@downpour/contracts';
import { prepareModel } from '@downpour/models';
import { layerNames } from '@downpour/models/topology';
import { describe, expect, it } from 'vitest';
import { CutModel } from '../testing/cut-models.ts';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, IMAGES } from '../testing/small-models.ts';

const SMALL: DatasetSummary = { ...IMAGES, featureShape: [32, 32, 1] };
const TINY: DatasetSummary = { ...IMAGES, featureShape: [16, 16, 3], featureType: 'uint8' };

describe('GoogLeNet', () => {
  it(
    'has the gradients of op by op where it is compiled, and one seed gives one step',
    { timeout: 60_000 },
    async () => {
      const { topology } = await prepareModel({ model: { zoo: 'googlenet-small' }, seed: 1 }, TINY);
      const { prepared, eager, compiled, dispose } = await twins(topology, TINY);
      const batch = batchOf(TINY, 4);
      const [first, again, other] = [3, 3, 4].map((seed) => compiled.step(prepared.initial, batch, seed));
      const reference = eager.step(prepared.initial, batch, 3);
      expect(difference(reference.gradient, first!.gradient)).toBeLessThan(1e-5);
      expect(first!.loss).toBeCloseTo(reference.loss, 5);
      expect(again).toEqual(first);
      expect(other!.loss).not.toBe(first!.loss);
      // Both outputs are far from having learnt: each about log(3), the auxiliary one by 0.3.
      const { lossSum } = compiled.evaluate(prepared.initial, batch);
      expect(first!.loss).toBeGreaterThan(lossSum / batch.count);
      expect(
        difference(eager.predict(prepared.initial, batch), compiled.predict(prepared.initial, batch)),
      ).toBeLessThan(1e-5);
      dispose();
    },
  );

  it('of full width has the gradient of the whole in each of its variables, cut in four through its modules', async () => {
    const { topology, layout } = await prepareModel({ model: { zoo: 'googlenet' }, seed: 1 }, SMALL);
    const { tensorflow, prepared, compiled, dispose } = await twins(topology, SMALL);
    const layers = layerNames(topology);
    const assignment = Object.fromEntries(layers.map((name, i) => [name, Math.floor((4 * i) / layers.length)]));
    const cut = await CutModel.open(tensorflow, prepared, SMALL, assignment);
    const batch = batchOf(SMALL, 8);
    const whole = compiled.step(prepared.initial, batch, 3);
    const step = cut.step(prepared.initial, batch, 3);
    expect(step.loss).toBeCloseTo(whole.loss, 5);
    for (const { name, offset, length } of layout.variables) {
      const [a, b] = [whole, step].map(({ gradient }) => gradient.subarray(offset, offset + length));
      expect(difference(a!, b!), name).toBeLessThan(1e-5);
    }
    cut.dispose();
    dispose();
  }, 60_000);
});
