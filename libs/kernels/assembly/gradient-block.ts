/** As in src/encodings.ts. */
export const FLOAT32 = 0;

/** Values that are decoded at a time: 4 KiB of float32, which stay in the first-level cache until the rule has read them. */
export const BLOCK: i32 = 1024;

/** Address of the values [at, at + count) of an encoded vector as float32; count <= BLOCK. Valid until the next call. */
export function gradientBlock(encoding: i32, codes: usize, scales: usize, at: i32, count: i32): usize {
  return codes + (<usize>at << 2);
}
