import { describe, expect, it } from 'vitest';
import { difference, twins } from '../testing/runners.ts';
import { batchOf, IMAGES, layer, stack } from '../testing/small-models.ts';

const topology = stack(IMAGES, [layer('Conv2D', { filters: 3, kernel_size: [3, 3], activation: 'relu' })]);
const augment = { crop: 2, flip: true };

describe('Random changes of images', () => {
  it('are part of the compiled step: others in each step, the same for the same seed, none in an evaluation', async () => {
    const changed = await twins(topology, IMAGES, undefined, { objective: { augment } });
    const plain = await twins(topology, IMAGES);
    const batch = batchOf(IMAGES, 16);
    const { initial } = changed.prepared;
    const gradients = [1, 2, 3].map((seed) => changed.compiled.step(initial, batch, seed).gradient);
    for (const [i, gradient] of gradients.entries()) {
      expect(difference(changed.eager.step(initial, batch, i + 1).gradient, gradient)).toBeLessThan(1e-5);
      expect(changed.compiled.step(initial, batch, i + 1).gradient).toEqual(gradient);
    }
    expect(difference(gradients[0]!, gradients[1]!)).toBeGreaterThan(0.01);
    expect(difference(gradients[0]!, plain.compiled.step(initial, batch, 1).gradient)).toBeGreaterThan(0.01);
    expect(changed.compiled.evaluate(initial, batch)).toEqual(plain.compiled.evaluate(initial, batch));
    changed.dispose();
    plain.dispose();
  });
});
