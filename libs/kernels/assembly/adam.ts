import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** m = b1 * m + r1 * g; v = b2 * v + r2 * g^2; w += (m / c1) / (sqrt(v / c2) + epsilon) * rate; rate = -lr. */
// @ts-ignore: decorator
@inline
function step(w: usize, g: usize, m: usize, v: usize, rate: v128, b1: v128, r1: v128, c1: v128, b2: v128, r2: v128, c2: v128, epsilon: v128, lanes: i32): void {
  const gradient = get(g, lanes);
  const mean = f32x4.add(f32x4.mul(get(m, lanes), b1), f32x4.mul(gradient, r1));
  const square = f32x4.add(f32x4.mul(get(v, lanes), b2), f32x4.mul(f32x4.mul(gradient, gradient), r2));
  put(m, mean, lanes);
  put(v, square, lanes);
  const scale = f32x4.add(f32x4.sqrt(f32x4.div(square, c2)), epsilon);
  put(w, f32x4.add(f32x4.mul(f32x4.div(f32x4.div(mean, c1), scale), rate), get(w, lanes)), lanes);
}

export function adam(encoding: i32, gradient: usize, scales: usize, length: i32, parameters: usize, means: usize, squares: usize, minusRate: f32, beta1: f32, rest1: f32, correction1: f32, beta2: f32, rest2: f32, correction2: f32, epsilon: f32): void {
  const rate = f32x4.splat(minusRate);
  const b1 = f32x4.splat(beta1);
  const r1 = f32x4.splat(rest1);
  const c1 = f32x4.splat(correction1);
  const b2 = f32x4.splat(beta2);
  const r2 = f32x4.splat(rest2);
  const c2 = f32x4.splat(correction2);
  const e = f32x4.splat(epsilon);
  for (let at = 0; at < length; at += BLOCK) {
    const count = min(BLOCK, length - at);
    const g = gradientBlock(encoding, gradient, scales, at, count);
    const w = parameters + (<usize>at << 2);
    const m = means + (<usize>at << 2);
    const v = squares + (<usize>at << 2);
    let i: usize = 0;
    for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16)
      step(w + i, g + i, m + i, v + i, rate, b1, r1, c1, b2, r2, c2, e, 4);
    for (const end = <usize>count << 2; i < end; i += 4)
      step(w + i, g + i, m + i, v + i, rate, b1, r1, c1, b2, r2, c2, e, 1);
  }
}
