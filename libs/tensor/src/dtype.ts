import type { DType } from './tensor.ts';

/** Bytes of one element. */
export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  int32: 4,
  uint8: 1,
  int8: 1,
};

export const isDType = (value: unknown): value is DType => typeof value === 'string' && value in BYTES_PER_ELEMENT;

/** Number of elements of a shape; 1 for a scalar. */
export const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
