// @ts-ignore: decorator
@inline
function products(x: usize, y: usize): v128 {
  return f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x)), f64x2.promote_low_f32x4(v128.load64_zero(y)));
}

/**
 * Products and sums in float64: a product of two float32 is exact there. Eight sums, of every eighth value each, are added at the end in a fixed order, then the
 * values left over: the same vectors give the same bits on every machine.
 */
export function dot(x: usize, y: usize, length: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  let c = f64x2.splat(0);
  let d = f64x2.splat(0);
  let i: usize = 0;
  for (const whole = <usize>(length & ~7) << 2; i < whole; i += 32) {
    a = f64x2.add(a, products(x + i, y + i));
    b = f64x2.add(b, products(x + i + 8, y + i + 8));
    c = f64x2.add(c, products(x + i + 16, y + i + 16));
    d = f64x2.add(d, products(x + i + 24, y + i + 24));
  }
  const pairs = f64x2.add(f64x2.add(a, b), f64x2.add(c, d));
  let sum = f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
  for (const end = <usize>length << 2; i < end; i += 4) sum += <f64>load<f32>(x + i) * <f64>load<f32>(y + i);
  return sum;
}
