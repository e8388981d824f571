import { fromBfloat16, toBfloat16 } from './bfloat16';
import { constant } from './constant';
import { fromFloat16, toFloat16 } from './float16';
import { get, put } from './lanes';
import { finiteOrZero } from './residual';

/** Bits of 65504, float16's largest number, of its negative, and of infinity. */
const LARGEST: v128 = constant(0x477fe000);
const LEAST: v128 = constant(0xc77fe000);
const INFINITY: v128 = constant(0x7f800000);

/** Of finite values; infinities and NaN stay. */
// @ts-ignore: decorator
@inline
function clampFinite(x: v128): v128 {
  // Pseudo minimum and maximum: one instruction each, where the others take ten to order zeros and NaN; a NaN in front stays.
  const clamped = f32x4.pmax(f32x4.pmin(x, LARGEST), LEAST);
  return v128.bitselect(x, clamped, f32x4.eq(f32x4.abs(x), INFINITY));
}

/** Encodes 4 values or 1; with feedback, what was added before and could not be told is added, and what cannot be told now is kept. */
// @ts-ignore: decorator
@inline
function step(values: usize, residual: usize, feedback: bool, brain: bool, lanes: i32): v128 {
  let value = get(values, lanes);
  if (feedback) value = f32x4.add(value, get(residual, lanes));
  // What a float16 cannot hold is carried over like what it rounds away. A parameter that it cannot hold is infinite, and said to be.
  const codes = brain ? toBfloat16(value) : toFloat16(feedback ? clampFinite(value) : value);
  if (feedback) {
    const told = brain ? fromBfloat16(codes) : fromFloat16(codes);
    put(residual, finiteOrZero(f32x4.sub(value, told)), lanes);
  }
  return codes;
}

// @ts-ignore: decorator
@inline
function run(values: usize, residual: usize, codes: usize, length: i32, feedback: bool, brain: bool): void {
  const whole = length & ~7;
  let i: i32 = 0;
  for (; i < whole; i += 8) {
    const at = <usize>i << 2;
    const low = step(values + at, residual + at, feedback, brain, 4);
    const high = step(values + at + 16, residual + at + 16, feedback, brain, 4);
    v128.store(codes + (<usize>i << 1), i16x8.narrow_i32x4_u(low, high));
  }
  for (; i < length; i++) {
    const at = <usize>i << 2;
    const code = step(values + at, residual + at, feedback, brain, 1);
    store<u16>(codes + (<usize>i << 1), <u16>i32x4.extract_lane(code, 0));
  }
}

/** `residual` 0: without feedback. */
export function encodeBfloat16(values: usize, residual: usize, codes: usize, length: i32): void {
  if (residual != 0) run(values, residual, codes, length, true, true);
  else run(values, 0, codes, length, false, true);
}

/** `residual` 0: without feedback. */
export function encodeFloat16(values: usize, residual: usize, codes: usize, length: i32): void {
  if (residual != 0) run(values, residual, codes, length, true, false);
  else run(values, 0, codes, length, false, false);
}
