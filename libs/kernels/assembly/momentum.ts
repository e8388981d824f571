import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** a = m * a + g; w += rate * a, or with Nesterov w += rate * (g + a * m); rate = -lr. */
// @ts-ignore: decorator
@inline
function step(w: usize, g: usize, a: usize, rate: v128, m: v128, nesterov: bool, lanes: i32): void {
  const gradient = get(g, lanes);
  const accumulated = f32x4.add(f32x4.mul(m, get(a, lanes)), gradient);
  put(a, accumulated, lanes);
  const direction = nesterov ? f32x4.add(gradient, f32x4.mul(accumulated, m)) : accumulated;
  put(w, f32x4.add(f32x4.mul(rate, direction), get(w, lanes)), lanes);
}

// @ts-ignore: decorator
@inline
function run(w: usize, g: usize, a: usize, count: i32, rate: v128, m: v128, nesterov: bool): void {
  let i: usize = 0;
  for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16) step(w + i, g + i, a + i, rate, m, nesterov, 4);
  for (const end = <usize>count << 2; i < end; i += 4) step(w + i, g + i, a + i, rate, m, nesterov, 1);
}

export function momentum(encoding: i32, gradient: usize, scales: usize, length: i32, parameters: usize, accumulated: usize, minusRate: f32, momentum: f32, nesterov: bool): void {
  const rate = f32x4.splat(minusRate);
  const m = f32x4.splat(momentum);
  for (let at = 0; at < length; at += BLOCK) {
    const count = min(BLOCK, length - at);
    const g = gradientBlock(encoding, gradient, scales, at, count);
    const offset = <usize>at << 2;
    if (nesterov) run(parameters + offset, g, accumulated + offset, count, rate, m, true);
    else run(parameters + offset, g, accumulated + offset, count, rate, m, false);
  }
}
