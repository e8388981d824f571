import { put } from './lanes';

/*
 * By integer arithmetic on the bits, as in F. Giesen's "half_to_float" and "float_to_half" (public domain): subnormal numbers are made by an addition that
 * rounds where they end, and no operation ever has a subnormal float32 for an operand, which would cost some processors a hundred cycles.
 */

/** float32 x 4 -> float16 in the low halves of four words: nearest, ties to even; too large: infinity; NaN: a quiet NaN. */
// @ts-ignore: decorator
@inline
export function toFloat16(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const a = v128.xor(x, sign);
  const odd = v128.and(i32x4.shr_u(a, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(a, i32x4.splat(((15 - 127) << 23) + 0xfff)), odd), 13);
  // 0.5, whose last bit is worth what float16's smallest number is.
  const half = i32x4.splat(126 << 23);
  const subnormal = i32x4.sub(f32x4.add(a, half), half);
  const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(a, i32x4.splat(113 << 23)));
  const special = v128.bitselect(i32x4.splat(0x7e00), i32x4.splat(0x7c00), i32x4.gt_s(a, i32x4.splat(0x7f800000)));
  const magnitude = v128.bitselect(finite, special, i32x4.lt_s(a, i32x4.splat(143 << 23)));
  return v128.or(magnitude, i32x4.shr_u(sign, 16));
}

/** The inverse; exact. */
// @ts-ignore: decorator
@inline
export function fromFloat16(codes: v128): v128 {
  const shifted = i32x4.shl(v128.and(codes, i32x4.splat(0x7fff)), 13);
  const exponent = v128.and(shifted, i32x4.splat(0x7c00 << 13));
  const normal = i32x4.add(shifted, i32x4.splat((127 - 15) << 23));
  const special = i32x4.add(normal, i32x4.splat((128 - 16) << 23));
  const subnormal = f32x4.sub(i32x4.add(normal, i32x4.splat(1 << 23)), i32x4.splat(113 << 23));
  const finite = v128.bitselect(subnormal, normal, i32x4.eq(exponent, i32x4.splat(0)));
  const magnitude = v128.bitselect(special, finite, i32x4.eq(exponent, i32x4.splat(0x7c00 << 13)));
  return v128.or(magnitude, i32x4.shl(v128.and(codes, i32x4.splat(0x8000)), 16));
}

export function decodeFloat16(codes: usize, into: usize, count: i32): void {
  const whole = count & ~3;
  let i: i32 = 0;
  for (; i < whole; i += 4, codes += 8, into += 16) put(into, fromFloat16(v128.load16x4_u(codes)), 4);
  for (; i < count; i++, codes += 2, into += 4) put(into, fromFloat16(i32x4.splat(load<u16>(codes))), 1);
}
