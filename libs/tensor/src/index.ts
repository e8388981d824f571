export type { DType, Tensor, TensorFrame } from './tensor.ts';
