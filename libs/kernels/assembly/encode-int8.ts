import { constant } from './constant';
import { INT8_BLOCK_SHIFT } from './encodings';
import { get, put } from './lanes';
import { finiteOrZero } from './residual';

const MAGNITUDE: v128 = constant(0x7fffffff);
/** Bits of 127, of -127, and of 1.5 * 2^23, whose last bit is worth 1: what is added to it is rounded to a whole number, ties to even, in its low bits. */
const MOST: v128 = constant(0x42fe0000);
const LEAST: v128 = constant(0xc2fe0000);
const ROUNDER: v128 = constant(0x4b400000);

/** Of a block, or NaN if there is one. Bits of floats without sign are ordered as whole numbers, NaN last. */
// @ts-ignore: decorator
@inline
function largest(values: usize, residual: usize, count: i32, feedback: bool): f32 {
  let most = i32x4.splat(0);
  let i: usize = 0;
  const end = <usize>count << 2;
  for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16)
    most = i32x4.max_s(most, v128.and(look(values + i, residual + i, feedback, 4), MAGNITUDE));
  for (; i < end; i += 4) most = i32x4.max_s(most, v128.and(look(values + i, residual + i, feedback, 1), MAGNITUDE));
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 1, 0, 3, 2));
  return f32x4.extract_lane(most, 0);
}

/** The values; with what was carried over, which is then left where the residual will be. */
// @ts-ignore: decorator
@inline
function look(values: usize, residual: usize, feedback: bool, lanes: i32): v128 {
  if (!feedback) return get(values, lanes);
  const value = f32x4.add(get(values, lanes), get(residual, lanes));
  put(residual, value, lanes);
  return value;
}

/** Four codes as words. 0 / 0, where all values are 0, and NaN give code 0. */
// @ts-ignore: decorator
@inline
function step(values: usize, residual: usize, scale: v128, feedback: bool, lanes: i32): v128 {
  const value = get(feedback ? residual : values, lanes);
  const quotient = f32x4.div(value, scale);
  const number = v128.and(quotient, f32x4.eq(quotient, quotient));
  const rounded = f32x4.add(f32x4.pmax(f32x4.pmin(number, MOST), LEAST), ROUNDER);
  if (feedback) put(residual, finiteOrZero(f32x4.sub(value, f32x4.mul(f32x4.sub(rounded, ROUNDER), scale))), lanes);
  return i32x4.sub(rounded, ROUNDER);
}

// @ts-ignore: decorator
@inline
function encodeBlock(values: usize, residual: usize, codes: usize, count: i32, feedback: bool): f32 {
  const scale = largest(values, residual, count, feedback) / 127;
  const s = f32x4.splat(scale);
  const whole = count & ~3;
  let i: i32 = 0;
  for (; i < whole; i += 4) {
    const at = <usize>i << 2;
    const words = step(values + at, residual + at, s, feedback, 4);
    const shorts = i16x8.narrow_i32x4_s(words, words);
    v128.store32_lane(codes + i, i8x16.narrow_i16x8_s(shorts, shorts), 0);
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    store<i8>(codes + i, <i8>i32x4.extract_lane(step(values + at, residual + at, s, feedback, 1), 0));
  }
  return scale;
}

/** `residual` 0: without feedback. */
export function encodeInt8(values: usize, residual: usize, codes: usize, scales: usize, length: i32): void {
  const most = 1 << INT8_BLOCK_SHIFT;
  for (let at = 0; at < length; at += most) {
    const count = min(most, length - at);
    const offset = <usize>at << 2;
    const scale =
      residual != 0
        ? encodeBlock(values + offset, residual + offset, codes + at, count, true)
        : encodeBlock(values + offset, 0, codes + at, count, false);
    store<f32>(scales + (<usize>(at >> INT8_BLOCK_SHIFT) << 2), scale);
  }
}
