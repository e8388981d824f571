import { decodeFrame, encodeFrame } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { receivedValues, sentValues } from './crossing-values.ts';

const crossed = (values: number[], short: boolean) => [
  ...receivedValues(decodeFrame(Buffer.from(encodeFrame({}, sentValues(Float32Array.from(values), short)))).tensors),
];

describe('A tensor that crosses', () => {
  it('comes as it was in float32', () => {
    expect(crossed([1.1, -0, Infinity, NaN, 3e-41], false)).toEqual([
      ...Float32Array.of(1.1, -0, Infinity, NaN, 3e-41),
    ]);
  });

  it('is rounded to the nearest bfloat16, ties to even', () => {
    expect(crossed([1, -2.5, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20], true)).toEqual([
      1,
      -2.5,
      1,
      1 + 2 ** -6,
      1 + 2 ** -7,
    ]);
    expect(crossed([Infinity, -Infinity, NaN, 3.4e38], true)).toEqual([Infinity, -Infinity, NaN, Infinity]);
  });
});
