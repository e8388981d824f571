import { get, put } from './lanes';

/** x *= factor */
export function scale(x: usize, length: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  let i: usize = 0;
  for (const whole = <usize>(length & ~3) << 2; i < whole; i += 16) put(x + i, f32x4.mul(get(x + i, 4), f), 4);
  for (const end = <usize>length << 2; i < end; i += 4) put(x + i, f32x4.mul(get(x + i, 1), f), 1);
}

// @ts-ignore: decorator
@inline
function addScaled(f: v128, x: usize, y: usize, lanes: i32): void {
  put(y, f32x4.add(f32x4.mul(f, get(x, lanes)), get(y, lanes)), lanes);
}

/** y += factor * x */
export function axpy(factor: f32, x: usize, y: usize, length: i32): void {
  const f = f32x4.splat(factor);
  let i: usize = 0;
  for (const whole = <usize>(length & ~3) << 2; i < whole; i += 16) addScaled(f, x + i, y + i, 4);
  for (const end = <usize>length << 2; i < end; i += 4) addScaled(f, x + i, y + i, 1);
}

/** y *= x, value by value */
export function multiply(x: usize, y: usize, length: i32): void {
  let i: usize = 0;
  for (const whole = <usize>(length & ~3) << 2; i < whole; i += 16) put(y + i, f32x4.mul(get(y + i, 4), get(x + i, 4)), 4);
  for (const end = <usize>length << 2; i < end; i += 4) put(y + i, f32x4.mul(get(y + i, 1), get(x + i, 1)), 1);
}

// @ts-ignore: decorator
@inline
function within(x: usize, low: v128, high: v128, lanes: i32): void {
  // Each is x itself where the comparison fails: NaN stays, so that nobody takes it for a gradient.
  put(x, f32x4.pmax(f32x4.pmin(get(x, lanes), high), low), lanes);
}

/** x = limit where it is more, -limit where it is less */
export function clamp(x: usize, length: i32, limit: f32): void {
  const high = f32x4.splat(limit);
  const low = f32x4.splat(-limit);
  let i: usize = 0;
  for (const whole = <usize>(length & ~3) << 2; i < whole; i += 16) within(x + i, low, high, 4);
  for (const end = <usize>length << 2; i < end; i += 4) within(x + i, low, high, 1);
}

export function copy(from: usize, into: usize, length: i32): void {
  memory.copy(into, from, <usize>length << 2);
}

/** 1 when no value is infinite or NaN: only of those is the difference from itself not zero. */
export function allFinite(x: usize, length: i32): bool {
  let odd = i32x4.splat(0);
  let i: usize = 0;
  for (const whole = <usize>(length & ~3) << 2; i < whole; i += 16) {
    const value = get(x + i, 4);
    odd = v128.or(odd, f32x4.sub(value, value));
  }
  for (const end = <usize>length << 2; i < end; i += 4) {
    const value = get(x + i, 1);
    odd = v128.or(odd, f32x4.sub(value, value));
  }
  return !v128.any_true(odd);
}
