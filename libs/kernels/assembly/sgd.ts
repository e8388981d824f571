import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** w += rate * g; rate = -lr. */
// @ts-ignore: decorator
@inline
function step(w: usize, g: usize, rate: v128, lanes: i32): void {
  put(w, f32x4.add(f32x4.mul(rate, get(g, lanes)), get(w, lanes)), lanes);
}

export function sgd(encoding: i32, gradient: usize, scales: usize, length: i32, parameters: usize, minusRate: f32): void {
  const rate = f32x4.splat(minusRate);
  for (let at = 0; at < length; at += BLOCK) {
    const count = min(BLOCK, length - at);
    const g = gradientBlock(encoding, gradient, scales, at, count);
    const w = parameters + (<usize>at << 2);
    let i: usize = 0;
    for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16) step(w + i, g + i, rate, 4);
    for (const end = <usize>count << 2; i < end; i += 4) step(w + i, g + i, rate, 1);
  }
}
