import { BFLOAT16, FLOAT16, FLOAT32, INT8_BLOCK_SHIFT } from './encodings';
import { get } from './lanes';
import { allFinite } from './vectors';

/** The bits of the exponent: all of them are set in infinities and NaN, and in nothing else. */
const BFLOAT16_EXPONENT: i32 = 0x7f80;
const FLOAT16_EXPONENT: i32 = 0x7c00;
/** No code of a byte is larger: what a scale times this is finite for, all of its block is. */
const LARGEST_CODE: f32 = 128;

/** 1 when no value of the encoded vector is infinite or NaN once it is decoded. */
export function finite(encoding: i32, codes: usize, scales: usize, length: i32): bool {
  if (encoding == FLOAT32) return allFinite(codes, length);
  if (encoding == BFLOAT16) return finiteHalves(codes, length, BFLOAT16_EXPONENT);
  if (encoding == FLOAT16) return finiteHalves(codes, length, FLOAT16_EXPONENT);
  return finiteScales(scales, (length + (1 << INT8_BLOCK_SHIFT) - 1) >> INT8_BLOCK_SHIFT);
}

function finiteHalves(codes: usize, length: i32, exponent: i32): bool {
  const mask = i16x8.splat(<i16>exponent);
  let odd = i16x8.splat(0);
  let i: usize = 0;
  for (const whole = <usize>(length & ~7) << 1; i < whole; i += 16)
    odd = v128.or(odd, i16x8.eq(v128.and(v128.load(codes + i), mask), mask));
  for (const end = <usize>length << 1; i < end; i += 2)
    if ((<i32>load<u16>(codes + i) & exponent) == exponent) return false;
  return !v128.any_true(odd);
}

function finiteScales(scales: usize, count: i32): bool {
  const factor = f32x4.splat(LARGEST_CODE);
  let odd = i32x4.splat(0);
  for (let i: usize = 0, end = <usize>count << 2; i < end; i += 4) {
    const largest = f32x4.mul(get(scales + i, 1), factor);
    odd = v128.or(odd, f32x4.sub(largest, largest));
  }
  return !v128.any_true(odd);
}
