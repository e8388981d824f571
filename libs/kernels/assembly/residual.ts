import { constant } from './constant';

const INFINITY: v128 = constant(0x7f800000);

/** What an infinity or a NaN leaves must not spoil every value after it. */
// @ts-ignore: decorator
@inline
export function finiteOrZero(x: v128): v128 {
  return v128.and(x, f32x4.lt(f32x4.abs(x), INFINITY));
}
