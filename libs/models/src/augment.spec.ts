import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { augmented } from './augment.ts';
import { augmentIssues } from './check-augment.ts';

const [N, HEIGHT, WIDTH, CHANNELS] = [64, 5, 4, 2];
const images = Float32Array.from({ length: N * HEIGHT * WIDTH * CHANNELS }, (_, i) => i + 1);
const valueAt = (image: number, y: number, x: number, channel: number): number =>
  y < 0 || y >= HEIGHT || x < 0 || x >= WIDTH ? 0 : images[((image * HEIGHT + y) * WIDTH + x) * CHANNELS + channel]!;

function run(augment: { crop?: number; flip: boolean }, seed = 1) {
  const uniform = (shape: number[]) => tf.randomUniform(shape, 0, 1, 'float32', seed);
  const out = augmented(
    augment,
    tf.tensor(images, [N, HEIGHT * WIDTH * CHANNELS]),
    { featureShape: [HEIGHT, WIDTH, CHANNELS] },
    uniform,
  );
  return out.dataSync();
}

/** The one way in which image i was moved and turned; null where it is none. */
function wayOf(
  out: ArrayLike<number>,
  image: number,
  crop: number,
): { dy: number; dx: number; turned: boolean } | null {
  for (const turned of [false, true])
    for (let dy = -crop; dy <= crop; dy++)
      for (let dx = -crop; dx <= crop; dx++) {
        let same = true;
        for (let y = 0; y < HEIGHT && same; y++)
          for (let x = 0; x < WIDTH && same; x++)
            for (let channel = 0; channel < CHANNELS; channel++) {
              const from = turned ? WIDTH - 1 - x : x;
              same &&=
                out[((image * HEIGHT + y) * WIDTH + x) * CHANNELS + channel] ===
                valueAt(image, y + dy, from + dx, channel);
            }
        if (same) return { dy, dx, turned };
      }
  return null;
}

const waysOf = (out: ArrayLike<number>, crop: number) => Array.from({ length: N }, (_, i) => wayOf(out, i, crop)!);

describe('Images of a training step', () => {
  it('are each moved and turned as a whole, in every way there is', () => {
    const ways = waysOf(run({ crop: 1, flip: true }), 1);
    expect(ways).not.toContain(null);
    expect(new Set(ways.map(({ dy }) => dy)).size).toBe(3);
    expect(new Set(ways.map(({ dx }) => dx)).size).toBe(3);
    const turned = ways.filter((way) => way.turned).length;
    expect(turned).toBeGreaterThan(N / 4);
    expect(turned).toBeLessThan((3 * N) / 4);
  });

  it('are only turned, or only moved, where that is asked for', () => {
    expect(waysOf(run({ flip: true }), 0).every(({ dx, dy }) => dx === 0 && dy === 0)).toBe(true);
    expect(waysOf(run({ crop: 2, flip: false }), 2).some(({ turned }) => turned)).toBe(false);
  });

  it('are the same for the same numbers, and others for others', () => {
    const spec = { crop: 1, flip: true };
    expect(run(spec, 3)).toEqual(run(spec, 3));
    expect(run(spec, 3)).not.toEqual(run(spec, 4));
  });
});

describe('augmentIssues', () => {
  const of = (featureShape: number[]) => ({ featureShape }) as DatasetSummary;
  it('refuses what is no image, and crops that leave nothing of one', () => {
    expect(augmentIssues({ augment: { flip: true } }, of([4]))[0]).toMatchObject({ field: 'augment' });
    expect(augmentIssues({ augment: { crop: 28, flip: false } }, of([28, 28, 1]))[0]).toMatchObject({
      field: 'augment.crop',
    });
    expect(augmentIssues({ augment: { crop: 27, flip: false } }, of([28, 28, 1]))).toEqual([]);
    expect(augmentIssues({}, of([4]))).toEqual([]);
  });
});
