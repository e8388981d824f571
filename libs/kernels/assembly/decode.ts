import { decodeBfloat16 } from './bfloat16';
import { BFLOAT16, FLOAT16, FLOAT32 } from './encodings';
import { decodeFloat16 } from './float16';
import { decodeInt8 } from './int8';

/** Writes the values [at, at + count) of an encoded vector to `into` as float32. */
export function decode(encoding: i32, codes: usize, scales: usize, at: i32, count: i32, into: usize): void {
  if (encoding == FLOAT32) memory.copy(into, codes + (<usize>at << 2), <usize>count << 2);
  else if (encoding == BFLOAT16) decodeBfloat16(codes + (<usize>at << 1), into, count);
  else if (encoding == FLOAT16) decodeFloat16(codes + (<usize>at << 1), into, count);
  else decodeInt8(codes, scales, at, into, count);
}
