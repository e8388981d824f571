export { allocateEncoded, encodedBytes, scaleCount } from './encoded-vector.ts';
export { Kernels } from './kernels.ts';
export { VectorMemory } from './vector-memory.ts';
export type { CodecKernels } from './codec-kernels.ts';
export type { EncodedVector } from './encoded-vector.ts';
export type { RuleKernels } from './rule-kernels.ts';
export type { VectorKernels } from './vector-kernels.ts';
