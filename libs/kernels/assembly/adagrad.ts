import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** s += g^2; w += g / sqrt(s + epsilon) * rate; rate = -lr. */
// @ts-ignore: decorator
@inline
function step(w: usize, g: usize, s: usize, rate: v128, epsilon: v128, lanes: i32): void {
  const gradient = get(g, lanes);
  const sum = f32x4.add(get(s, lanes), f32x4.mul(gradient, gradient));
  put(s, sum, lanes);
  const direction = f32x4.div(gradient, f32x4.sqrt(f32x4.add(sum, epsilon)));
  put(w, f32x4.add(f32x4.mul(direction, rate), get(w, lanes)), lanes);
}

export function adagrad(encoding: i32, gradient: usize, scales: usize, length: i32, parameters: usize, sums: usize, minusRate: f32, epsilon: f32): void {
  const rate = f32x4.splat(minusRate);
  const e = f32x4.splat(epsilon);
  for (let at = 0; at < length; at += BLOCK) {
    const count = min(BLOCK, length - at);
    const g = gradientBlock(encoding, gradient, scales, at, count);
    const w = parameters + (<usize>at << 2);
    const s = sums + (<usize>at << 2);
    let i: usize = 0;
    for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16) step(w + i, g + i, s + i, rate, e, 4);
    for (const end = <usize>count << 2; i < end; i += 4) step(w + i, g + i, s + i, rate, e, 1);
  }
}
