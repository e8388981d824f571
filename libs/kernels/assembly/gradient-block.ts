import { decode } from './decode';
import { FLOAT32 } from './encodings';

/** Values that are decoded at a time: 4 KiB of float32, which stay in the first-level cache until the rule has read them. */
export const BLOCK: i32 = 1024;
/** VectorMemory keeps the memory's first 4 KiB free. */
const SCRATCH: usize = 0;

/** Address of the values [at, at + count) of an encoded vector as float32; count <= BLOCK. Good until the next call. */
export function gradientBlock(encoding: i32, codes: usize, scales: usize, at: i32, count: i32): usize {
  if (encoding == FLOAT32) return codes + (<usize>at << 2);
  decode(encoding, codes, scales, at, count, SCRATCH);
  return SCRATCH;
}
