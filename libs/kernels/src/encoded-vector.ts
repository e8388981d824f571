import type { ValueEncoding } from '@downpour/contracts';
import { INT8_BLOCK } from '@downpour/contracts';
import { VectorMemory } from './vector-memory.ts';

/**
 * A vector as it crosses the wire (contracts' `EncodingSpec`), in a VectorMemory. Both parts may begin at any byte.
 *
 * - `float32`: 4 bytes a value. A Float32Array is one: `{ encoding: 'float32', codes: array }`.
 * - `bfloat16`, `float16`: 2 bytes a value.
 * - `int8`: a byte a value, and a float32 scale for each block of 256: `value = fround(scale * code)`.
 */
export interface EncodedVector {
  encoding: ValueEncoding;
  codes: ArrayBufferView;
  /** int8 only: float32 [ceil(length / 256)]. */
  scales?: ArrayBufferView;
}

/** The numbers of assembly/encodings.ts, and bytes a value. */
export const ENCODINGS: Readonly<Record<ValueEncoding, { index: number; bytes: number }>> = {
  float32: { index: 0, bytes: 4 },
  bfloat16: { index: 1, bytes: 2 },
  float16: { index: 2, bytes: 2 },
  int8: { index: 3, bytes: 1 },
};

/** Scales of an int8 vector. */
export const scaleCount = (length: number): number => Math.ceil(length / INT8_BLOCK);

/** What `allocateEncoded` takes of a memory. */
export const encodedBytes = (encoding: ValueEncoding, length: number): number =>
  VectorMemory.alignedBytes(length * ENCODINGS[encoding].bytes) +
  (encoding === 'int8' ? VectorMemory.alignedBytes(scaleCount(length) * Float32Array.BYTES_PER_ELEMENT) : 0);

/** Room for so many values in that encoding; reads as zeros. */
export const allocateEncoded = (
  memory: VectorMemory,
  encoding: ValueEncoding,
  length: number,
): EncodedVector & { codes: Uint8Array; scales?: Float32Array } => {
  const codes = memory.uint8(length * ENCODINGS[encoding].bytes);
  return encoding === 'int8' ? { encoding, codes, scales: memory.float32(scaleCount(length)) } : { encoding, codes };
};
