import { INT8_BLOCK_SHIFT } from './encodings';
import { put } from './lanes';

/** Values that share one scale. */
function decodeRun(codes: usize, into: usize, count: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  const whole = count & ~7;
  let i: i32 = 0;
  for (; i < whole; i += 8, codes += 8, into += 32) {
    const words = v128.load8x8_s(codes);
    put(into, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)), s), 4);
    put(into + 16, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(words)), s), 4);
  }
  for (; i < count; i++, codes++, into += 4) store<f32>(into, <f32>load<i8>(codes) * scale);
}

/** Values [at, at + count) of a vector whose first code and first scale lie at `codes` and `scales`. */
export function decodeInt8(codes: usize, scales: usize, at: i32, into: usize, count: i32): void {
  const end = at + count;
  while (at < end) {
    const block = at >> INT8_BLOCK_SHIFT;
    const next = min((block + 1) << INT8_BLOCK_SHIFT, end);
    decodeRun(codes + at, into, next - at, load<f32>(scales + (<usize>block << 2)));
    into += <usize>(next - at) << 2;
    at = next;
  }
}
