import type { GradientClip } from '@downpour/contracts';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { clipGradient } from './clip-gradient.ts';
import { FakeParameters } from './fakes.ts';
import type { ParameterClient } from './ports.ts';

/** Made by bench/peers/reference_values.py. */
const keras = JSON.parse(readFileSync(new URL('clip-gradient.keras.json', import.meta.url), 'utf8')) as {
  gradient: number[];
  cases: { clip: GradientClip; clipped: number[] }[];
};
const client: ParameterClient = new FakeParameters({ initial: [0], learningRate: 1 });
const clipped = (clip: GradientClip, values: number[]): number[] | null => {
  const vector = Float32Array.from(values);
  return clipGradient(client, clip, vector) ? [...vector] : null;
};
const normOf = (values: number[]): number => Math.hypot(...values);

describe('clipping', () => {
  it.each(keras.cases)("gives what TensorFlow's gives, to 1e-6: $clip", ({ clip, clipped: expected }) => {
    const ours = clipped(clip, keras.gradient)!;
    expect(ours).toHaveLength(expected.length);
    for (const [i, value] of expected.entries()) expect(Math.abs(ours[i]! - value)).toBeLessThan(1e-6);
  });

  it('by norm keeps the direction; by value and norm does the one and then the other', () => {
    const scaled = clipped({ norm: 1 }, [3, 0, -4])!;
    expect(scaled.map((value) => Math.fround(value))).toEqual([0.6, 0, -0.8].map(Math.fround));
    const both = clipped({ value: 1, norm: 1 }, [3, 0, -4])!;
    expect(both[0]).toBeCloseTo(Math.SQRT1_2, 6);
    expect(both[2]).toBe(-both[0]!);
  });

  it('leaves alone what is within, to the bit', () => {
    const gradient = [0.1, -0.2, 0.3].map(Math.fround);
    expect(clipped({ norm: normOf(gradient) * 1.001, value: 0.31 }, gradient)).toEqual(gradient);
  });

  it('makes no good-looking gradient of a bad one', () => {
    for (const odd of [NaN, Infinity, -Infinity]) {
      const vector = Float32Array.of(1, odd);
      expect(clipGradient(client, { value: 0.5, norm: 0.1 }, vector)).toBe(false);
      expect(vector).toEqual(Float32Array.of(1, odd));
    }
    // The largest numbers have a norm all the same.
    expect(normOf(clipped({ norm: 1 }, [3e38, 3e38])!)).toBeCloseTo(1, 6);
  });

  it("uses the client's kernels where it has some", () => {
    const asked: unknown[] = [];
    const fast = {
      sumOfSquares: () => 25,
      scale: (...args: unknown[]) => asked.push('scale', args[0]) > 0,
      clamp: (...args: unknown[]) => asked.push('clamp', args[0]) > 0,
    };
    clipGradient(
      Object.assign(Object.create(client) as ParameterClient, fast),
      { norm: 1, value: 2 },
      Float32Array.of(3, 4),
    );
    expect(asked).toEqual(['clamp', 2, 'scale', 0.2]);
  });
});
