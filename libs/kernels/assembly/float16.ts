import { constant } from './constant';
import { put } from './lanes';

/*
 * By integer arithmetic on the bits, after F. Giesen's "half_to_float" and "float_to_half" (public domain): subnormal numbers are made by an addition that
 * rounds where they end, and no operation ever has a subnormal float32 for an operand, which would cost some processors a hundred cycles. float32 has its exponent's bias at
 * 127 and 23 bits after it, float16 15 and 10.
 */

const BIAS: v128 = constant((127 - 15) << 23);
const MINUS_BIAS_BELOW_HALF: v128 = constant(((15 - 127) << 23) + 0xfff);
const SIGN: v128 = constant(0x80000000);
const LAST_BIT: v128 = constant(1);
const INFINITY: v128 = constant(0x7f800000);
/** Of a float32: the smallest normal float16; the first power of two beyond float16; one half, whose last bit is worth float16's smallest number. */
const SMALLEST_NORMAL: v128 = constant(113 << 23);
const TOO_LARGE: v128 = constant(143 << 23);
const HALF: v128 = constant(126 << 23);
/** Of a float16, moved to where a float32 has these bits. */
const MAGNITUDE: v128 = constant(0x7fff << 13);
const LARGEST: v128 = constant(0x7bff << 13);
const FIRST_NORMAL: v128 = constant(0x400 << 13);
const EXPONENT_ONE: v128 = constant(1 << 23);
const INFINITE_CODE: v128 = constant(0x7c00);
const NAN_CODE: v128 = constant(0x7e00);

/** float32 x 4 -> float16 in the low halves of four words: nearest, ties to even; too large: infinity; NaN: a quiet NaN. */
// @ts-ignore: decorator
@inline
export function toFloat16(x: v128): v128 {
  const sign = v128.and(x, SIGN);
  const a = v128.xor(x, sign);
  const odd = v128.and(i32x4.shr_u(a, 13), LAST_BIT);
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(a, MINUS_BIAS_BELOW_HALF), odd), 13);
  const subnormal = i32x4.sub(f32x4.add(a, HALF), HALF);
  const finite = v128.bitselect(subnormal, normal, i32x4.gt_s(SMALLEST_NORMAL, a));
  const special = v128.bitselect(NAN_CODE, INFINITE_CODE, i32x4.gt_s(a, INFINITY));
  const magnitude = v128.bitselect(finite, special, i32x4.gt_s(TOO_LARGE, a));
  return v128.or(magnitude, i32x4.shr_u(sign, 16));
}

/** The inverse, of codes that were extended with their sign; exact. No selections, which are three instructions each, but masks that add something or nothing. */
// @ts-ignore: decorator
@inline
function fromSigned(codes: v128): v128 {
  const shifted = v128.and(i32x4.shl(codes, 13), MAGNITUDE);
  // The exponent of infinity and NaN moves by as much again.
  const rebased = i32x4.add(i32x4.add(shifted, BIAS), v128.and(i32x4.gt_s(shifted, LARGEST), BIAS));
  // A subnormal is read as 2^-14 and its value; then the 2^-14 is taken away.
  const subnormal = i32x4.gt_s(FIRST_NORMAL, shifted);
  const read = i32x4.add(rebased, v128.and(subnormal, EXPONENT_ONE));
  const magnitude = f32x4.sub(read, v128.and(subnormal, SMALLEST_NORMAL));
  return v128.or(magnitude, v128.and(codes, SIGN));
}

/** As fromSigned, of codes in the low halves of words whose high halves are zero. */
// @ts-ignore: decorator
@inline
export function fromFloat16(codes: v128): v128 {
  return fromSigned(i32x4.shr_s(i32x4.shl(codes, 16), 16));
}

export function decodeFloat16(codes: usize, into: usize, count: i32): void {
  const whole = count & ~7;
  let i: i32 = 0;
  for (; i < whole; i += 8, codes += 16, into += 32) {
    const eight = v128.load(codes);
    put(into, fromSigned(i32x4.extend_low_i16x8_s(eight)), 4);
    put(into + 16, fromSigned(i32x4.extend_high_i16x8_s(eight)), 4);
  }
  for (; i < count; i++, codes += 2, into += 4) put(into, fromSigned(i32x4.splat(load<i16>(codes))), 1);
}
