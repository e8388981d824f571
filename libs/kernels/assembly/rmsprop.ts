import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** s = d * s + (1 - d) * g^2; v = lr * g / sqrt(s + epsilon), plus m * v where v is remembered; w -= v. */
// @ts-ignore: decorator
@inline
function step(w: usize, g: usize, s: usize, v: usize, rate: v128, decay: v128, rest: v128, m: v128, epsilon: v128, remembers: bool, lanes: i32): void {
  const gradient = get(g, lanes);
  const mean = f32x4.add(f32x4.mul(get(s, lanes), decay), f32x4.mul(f32x4.mul(gradient, gradient), rest));
  put(s, mean, lanes);
  let moved = f32x4.div(f32x4.mul(gradient, rate), f32x4.sqrt(f32x4.add(mean, epsilon)));
  if (remembers) {
    moved = f32x4.add(f32x4.mul(get(v, lanes), m), moved);
    put(v, moved, lanes);
  }
  put(w, f32x4.sub(get(w, lanes), moved), lanes);
}

// @ts-ignore: decorator
@inline
function run(w: usize, g: usize, s: usize, v: usize, count: i32, rate: v128, decay: v128, rest: v128, m: v128, epsilon: v128, remembers: bool): void {
  let i: usize = 0;
  for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16)
    step(w + i, g + i, s + i, v + i, rate, decay, rest, m, epsilon, remembers, 4);
  for (const end = <usize>count << 2; i < end; i += 4)
    step(w + i, g + i, s + i, v + i, rate, decay, rest, m, epsilon, remembers, 1);
}

/** `moments` 0: without momentum. */
export function rmsprop(encoding: i32, gradient: usize, scales: usize, length: i32, parameters: usize, means: usize, moments: usize, rate: f32, decay: f32, rest: f32, momentum: f32, epsilon: f32): void {
  const lr = f32x4.splat(rate);
  const d = f32x4.splat(decay);
  const r = f32x4.splat(rest);
  const m = f32x4.splat(momentum);
  const e = f32x4.splat(epsilon);
  for (let at = 0; at < length; at += BLOCK) {
    const count = min(BLOCK, length - at);
    const g = gradientBlock(encoding, gradient, scales, at, count);
    const offset = <usize>at << 2;
    if (moments != 0) run(parameters + offset, g, means + offset, moments + offset, count, lr, d, r, m, e, true);
    else run(parameters + offset, g, means + offset, 0, count, lr, d, r, m, e, false);
  }
}
