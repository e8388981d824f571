import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kernels } from './kernels.ts';
import { VectorMemory } from './vector-memory.ts';

const f32 = Math.fround;
const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 255, 256, 257, 1000];
const GUARD = 12345;

/** Copies of the vectors in a memory, with a value behind each that must stay. */
const place = (shared: boolean, ...vectors: Float32Array[]) => {
  const memory = VectorMemory.create(vectors.length * 8192, { shared });
  const placed = vectors.map((vector) => {
    const room = memory.float32(vector.length + 1);
    room.set(vector);
    room[vector.length] = GUARD;
    return room.subarray(0, vector.length);
  });
  return { kernels: Kernels.of(memory).vectors, placed };
};
const expectGuarded = (vectors: Float32Array[]): void => {
  for (const { buffer, byteOffset, length } of vectors)
    expect(new Float32Array(buffer, byteOffset, length + 1)[length]).toBe(GUARD);
};

const pair = fc.constantFrom(...LENGTHS).chain((length) => {
  const vector = fc.float32Array({ minLength: length, maxLength: length, noNaN: true, noDefaultInfinity: true });
  return fc.tuple(vector, vector);
});
const factor = fc.float({ noNaN: true, noDefaultInfinity: true });

describe.each([false, true])('vector kernels (shared: %s)', (shared) => {
  it('give the same bits as plain loops in float32', () => {
    fc.assert(
      fc.property(pair, factor, ([x, y], a) => {
        const { kernels, placed } = place(shared, x, y, y, y, y);
        const [from, scaled, added, multiplied, copied] = placed as [Float32Array, ...Float32Array[]];
        kernels.scale(scaled!, a);
        kernels.axpy(a, from, added!);
        kernels.multiply(from, multiplied!);
        kernels.copy(from, copied!);
        expect(scaled).toEqual(y.map((value) => f32(value * a)));
        expect(added).toEqual(y.map((value, i) => f32(f32(a * x[i]!) + value)));
        expect(multiplied).toEqual(y.map((value, i) => f32(value * x[i]!)));
        expect(copied).toEqual(x);
        expectGuarded(placed);
      }),
      { numRuns: 150 },
    );
  });

  it('clamp to a limit, infinities too; NaN stays NaN', () => {
    const limit = fc.float({ min: f32(1e-30), noNaN: true, noDefaultInfinity: true });
    const anything = fc
      .constantFrom(...LENGTHS)
      .chain((length) => fc.float32Array({ minLength: length, maxLength: length }));
    fc.assert(
      fc.property(anything, limit, (x, most) => {
        const { kernels, placed } = place(shared, x);
        kernels.clamp(placed[0]!, most);
        expect(placed[0]).toEqual(x.map((value) => Math.max(-most, Math.min(most, value))));
        expectGuarded(placed);
      }),
      { numRuns: 150 },
    );
  });

  it('sum in float64, eight sums side by side, in one order', () => {
    fc.assert(
      fc.property(pair, ([x, y]) => {
        const { kernels, placed } = place(shared, x, y);
        const whole = x.length - (x.length % 8);
        const sums = new Float64Array(8);
        for (let i = 0; i < whole; i++) sums[i % 8]! += x[i]! * y[i]!;
        const half = (lane: number) => sums[lane]! + sums[2 + lane]! + (sums[4 + lane]! + sums[6 + lane]!);
        let sum = half(0) + half(1);
        for (let i = whole; i < x.length; i++) sum += x[i]! * y[i]!;
        expect(kernels.dot(placed[0]!, placed[1]!)).toBe(sum);
        expect(kernels.sumOfSquares(placed[0]!)).toBe(kernels.dot(placed[0]!, placed[0]!));
      }),
      { numRuns: 150 },
    );
  });

  it('find a value that is not finite wherever it is', () => {
    for (const length of LENGTHS) {
      const { kernels, placed } = place(shared, new Float32Array(length).fill(3.4e38));
      const [x] = placed as [Float32Array];
      expect(kernels.allFinite(x)).toBe(true);
      for (const at of [0, 1, length - 5, length - 1].filter((index) => index in x))
        for (const value of [NaN, Infinity, -Infinity]) {
          x[at] = value;
          expect(kernels.allFinite(x)).toBe(false);
          x[at] = 1e-45;
        }
    }
  });

  it('refuse vectors of another memory or length', () => {
    const { kernels, placed } = place(shared, new Float32Array(4), new Float32Array(5));
    const [x, longer] = placed as [Float32Array, Float32Array];
    expect(() => kernels.scale(new Float32Array(4), 2)).toThrow(TypeError);
    expect(() => kernels.dot(x, place(shared, x).placed[0]!)).toThrow(TypeError);
    expect(() => kernels.axpy(1, x, longer)).toThrow(RangeError);
  });
});
