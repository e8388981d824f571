/** How a vector is encoded; the numbers are those of src/encoded-vector.ts. */
export const FLOAT32: i32 = 0;
export const BFLOAT16: i32 = 1;
export const FLOAT16: i32 = 2;
export const INT8: i32 = 3;

/** log2 of contracts' INT8_BLOCK: so many int8 values have one scale. */
export const INT8_BLOCK_SHIFT: i32 = 8;
