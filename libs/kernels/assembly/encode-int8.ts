import { constant } from './constant';
import { INT8_BLOCK_SHIFT } from './encodings';
import { get, put } from './lanes';
import { finiteOrZero } from './residual';

const MAGNITUDE: v128 = constant(0x7fffffff);
/** Bits of 127, of -127, and of 1.5 * 2^23, whose last bit is worth 1: what is added to it is rounded to a whole number, ties to even, in its low bits. */
const MOST: v128 = constant(0x42fe0000);
const LEAST: v128 = constant(0xc2fe0000);
const ROUNDER: v128 = constant(0x4b400000);

/** Between them a scale and its inverse have all their digits, and 127 times the scale is finite. */
const LEAST_ORDINARY: f32 = 1.1754944e-38;
const MOST_ORDINARY: f32 = 2e36;

/** Of a block, or NaN if there is one. Bits of floats without sign are ordered as whole numbers, NaN last. */
// @ts-ignore: decorator
@inline
function largest(values: usize, residual: usize, count: i32, feedback: bool): f32 {
  let most = i32x4.splat(0);
  let other = most;
  let i: usize = 0;
  const end = <usize>count << 2;
  for (const whole = <usize>(count & ~7) << 2; i < whole; i += 32) {
    most = i32x4.max_s(most, v128.and(look(values + i, residual + i, feedback, 4), MAGNITUDE));
    other = i32x4.max_s(other, v128.and(look(values + i + 16, residual + i + 16, feedback, 4), MAGNITUDE));
  }
  most = i32x4.max_s(most, other);
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

/** One code. Where all values are 0, or one is infinite or NaN, it is 0. */
// @ts-ignore: decorator
@inline
function step(values: usize, residual: usize, scale: v128, inverse: v128, feedback: bool): i32 {
  const value = get(feedback ? residual : values, 1);
  const quotient = f32x4.mul(value, inverse);
  const number = v128.and(quotient, f32x4.eq(quotient, quotient));
  const rounded = f32x4.add(f32x4.pmax(f32x4.pmin(number, MOST), LEAST), ROUNDER);
  if (feedback) put(residual, finiteOrZero(f32x4.sub(value, f32x4.mul(f32x4.sub(rounded, ROUNDER), scale))), 1);
  return i32x4.extract_lane(i32x4.sub(rounded, ROUNDER), 0);
}

/** Four codes, as words, of an ordinary block: no quotient is NaN or rounds to more than 127, and every residual is finite. */
// @ts-ignore: decorator
@inline
function quickStep(values: usize, residual: usize, scale: v128, inverse: v128, feedback: bool): v128 {
  const value = v128.load(feedback ? residual : values);
  const rounded = f32x4.add(f32x4.mul(value, inverse), ROUNDER);
  if (feedback) v128.store(residual, f32x4.sub(value, f32x4.mul(f32x4.sub(rounded, ROUNDER), scale)));
  return i32x4.sub(rounded, ROUNDER);
}

/** Eight codes, as short words. */
// @ts-ignore: decorator
@inline
function quickSteps(values: usize, residual: usize, scale: v128, inverse: v128, feedback: bool): v128 {
  const low = quickStep(values, residual, scale, inverse, feedback);
  return i16x8.narrow_i32x4_s(low, quickStep(values + 16, residual + 16, scale, inverse, feedback));
}

// @ts-ignore: decorator
@inline
function encodeBlock(values: usize, residual: usize, codes: usize, count: i32, feedback: bool): f32 {
  const scale = largest(values, residual, count, feedback) / 127;
  const s = f32x4.splat(scale);
  const inverse = f32x4.splat(1 / scale);
  const quick = scale >= LEAST_ORDINARY && scale <= MOST_ORDINARY ? count & ~15 : 0;
  let i: i32 = 0;
  for (; i < quick; i += 16) {
    const at = <usize>i << 2;
    const low = quickSteps(values + at, residual + at, s, inverse, feedback);
    const high = quickSteps(values + at + 32, residual + at + 32, s, inverse, feedback);
    v128.store(codes + i, i8x16.narrow_i16x8_s(low, high));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    store<i8>(codes + i, <i8>step(values + at, residual + at, s, inverse, feedback));
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
