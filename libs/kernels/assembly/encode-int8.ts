import { INT8_BLOCK_SHIFT } from './encodings';
import { get, put } from './lanes';
import { finiteOrZero } from './residual';

// @ts-ignore: decorator
@inline
function largest(values: usize, residual: usize, count: i32, feedback: bool): f32 {
  let most = f32x4.splat(0);
  let i: usize = 0;
  const end = <usize>count << 2;
  for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16) most = look(values + i, residual + i, most, feedback, 4);
  for (; i < end; i += 4) most = look(values + i, residual + i, most, feedback, 1);
  // max, not a comparison: a NaN goes through.
  return max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
}

/** Leaves values with what was carried over where the residual will be. */
// @ts-ignore: decorator
@inline
function look(values: usize, residual: usize, most: v128, feedback: bool, lanes: i32): v128 {
  let value = get(values, lanes);
  if (feedback) {
    value = f32x4.add(value, get(residual, lanes));
    put(residual, value, lanes);
  }
  return f32x4.max(most, f32x4.abs(value));
}

/** Four codes as words. 0 / 0, where all values are 0, and NaN give code 0. */
// @ts-ignore: decorator
@inline
function step(values: usize, residual: usize, scale: v128, feedback: bool, lanes: i32): v128 {
  const value = get(feedback ? residual : values, lanes);
  const quotient = f32x4.nearest(f32x4.div(value, scale));
  const within = f32x4.max(f32x4.min(quotient, f32x4.splat(127)), f32x4.splat(-127));
  const codes = i32x4.trunc_sat_f32x4_s(within);
  if (feedback) put(residual, finiteOrZero(f32x4.sub(value, f32x4.mul(f32x4.convert_i32x4_s(codes), scale))), lanes);
  return codes;
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
