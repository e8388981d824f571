import { constant } from './constant';
import { put } from './lanes';

const LAST_BIT: v128 = constant(1);
const BELOW_HALF: v128 = constant(0x7fff);
const QUIET: v128 = constant(0x40);

/** float32 x 4 -> bfloat16 in the low halves of four words: nearest, ties to even. A NaN stays one: it is made quiet, for its low bits may have been all there was. */
// @ts-ignore: decorator
@inline
export function toBfloat16(x: v128): v128 {
  const high = i32x4.shr_u(x, 16);
  const odd = v128.and(high, LAST_BIT);
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, BELOW_HALF), odd), 16);
  return v128.bitselect(rounded, v128.or(high, QUIET), f32x4.eq(x, x));
}

/** The inverse; exact. */
// @ts-ignore: decorator
@inline
export function fromBfloat16(codes: v128): v128 {
  return i32x4.shl(codes, 16);
}

export function decodeBfloat16(codes: usize, into: usize, count: i32): void {
  const whole = count & ~3;
  let i: i32 = 0;
  for (; i < whole; i += 4, codes += 8, into += 16) put(into, fromBfloat16(v128.load16x4_u(codes)), 4);
  for (; i < count; i++, codes += 2, into += 4) put(into, fromBfloat16(i32x4.splat(load<u16>(codes))), 1);
}
