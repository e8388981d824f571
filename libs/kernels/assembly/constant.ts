/** Behind the decoded block (gradient-block.ts), in the part of the memory that VectorMemory keeps free. */
const AT: usize = 4096;

/**
 * Four equal words, for module-level variables. V8 builds a vector constant that it knows anew wherever it is used, by four instructions, in loops too; one that has been
 * through memory it only loads: decoding float16 is 2.5 times as fast.
 */
export function constant(bits: i32): v128 {
  store<i32>(AT, bits);
  return v128.load32_splat(AT);
}
