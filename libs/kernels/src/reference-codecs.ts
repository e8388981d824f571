import { INT8_BLOCK } from '@downpour/contracts';

/*
 * The encodings by plain arithmetic in double precision, no bit in sight: what specs compare the kernels with. Slow.
 */

/** A binary floating-point format with `fraction` bits after the point. */
export interface Format {
  fraction: number;
  /** Of the smallest normal number. */
  minExponent: number;
  /** Of the largest. */
  maxExponent: number;
}
export const BFLOAT16: Format = { fraction: 7, minExponent: -126, maxExponent: 127 };
export const FLOAT16: Format = { fraction: 10, minExponent: -14, maxExponent: 15 };

/** The value of 16 bits. */
export const valueOf = (code: number, { fraction, minExponent, maxExponent }: Format): number => {
  const sign = code >= 0x8000 ? -1 : 1;
  const mantissa = code % 2 ** fraction;
  const exponent = Math.floor((code % 0x8000) / 2 ** fraction);
  if (exponent === 0) return sign * mantissa * 2 ** (minExponent - fraction);
  if (minExponent + exponent - 1 > maxExponent) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (2 ** fraction + mantissa) * 2 ** (minExponent + exponent - 1 - fraction);
};

/** The nearest value that the format has; of two as near the one whose last bit is 0. */
export const nearestValue = (x: number, { fraction, minExponent, maxExponent }: Format): number => {
  if (!Number.isFinite(x) || x === 0) return x;
  let exponent = maxExponent;
  while (exponent > minExponent && 2 ** exponent > Math.abs(x)) exponent--;
  const lastBit = 2 ** (exponent - fraction);
  const rounded = nearestInteger(x / lastBit) * lastBit;
  return Math.abs(rounded) >= 2 ** (maxExponent + 1) ? Math.sign(x) * Infinity : rounded;
};

/** Ties to even; the sign stays, that of zero too. */
export const nearestInteger = (x: number): number => {
  const size = Math.abs(x);
  const floor = Math.floor(size);
  const up = size - floor > 0.5 || (size - floor === 0.5 && floor % 2 === 1);
  return Math.sign(x) * (up ? floor + 1 : floor);
};

/** int8 codes and scales, of finite values. */
export const encodeInt8 = (values: Float32Array): { codes: Int8Array; scales: Float32Array } => {
  const scales = new Float32Array(Math.ceil(values.length / INT8_BLOCK));
  for (let block = 0; block < scales.length; block++) {
    const part = values.subarray(block * INT8_BLOCK, (block + 1) * INT8_BLOCK);
    scales[block] = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  }
  const codes = Int8Array.from(values, (value, index) => {
    const scale = scales[Math.floor(index / INT8_BLOCK)]!;
    const quotient = nearestInteger(Math.fround(value * Math.fround(1 / scale)));
    return Number.isNaN(quotient) ? 0 : Math.max(-127, Math.min(127, quotient));
  });
  return { codes, scales };
};

export const decodeInt8 = (codes: Int8Array, scales: Float32Array): Float32Array =>
  Float32Array.from(codes, (code, index) => code * scales[Math.floor(index / INT8_BLOCK)]!);
