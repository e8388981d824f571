import type { Tensor } from '@tensorflow/tfjs';
import type { Backend, Binding, HostValues } from './binding.ts';

const ROW = Int32Array.of(0);

function attributes(binding: Binding) {
  return [{ name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT }];
}

/**
 * Writes `values` [1, n] into the memory of `target` [1, n]. TensorFlow's InplaceUpdate is the one op that does: so results land in host memory that
 * was given as an input, where reading an output copies it into memory that has to be allocated (and zeroed, page by page) first.
 */
export function writeInto(backend: Backend, target: Tensor, values: Tensor): Tensor {
  return inPlace('InplaceUpdate', backend, target, values);
}

/** As writeInto, but adds. */
export function addInto(backend: Backend, target: Tensor, values: Tensor): Tensor {
  return inPlace('InplaceAdd', backend, target, values);
}

function inPlace(op: 'InplaceUpdate' | 'InplaceAdd', backend: Backend, target: Tensor, values: Tensor): Tensor {
  const { binding } = backend;
  const row = binding.createTensor([1], binding.TF_INT32, ROW);
  const [target_, values_] = backend.getInputTensorIds([target, values]) as [number, number];
  const [written] = binding.executeOp(op, attributes(binding), [target_, row, values_], 1);
  binding.deleteTensor(row);
  return backend.createOutputTensor(written!);
}

/** TensorFlow uses host memory where it is if it starts at such a multiple; other memory it copies. */
export const ALIGNMENT_BYTES = 64;

const aligned = new WeakMap<ArrayBufferLike, boolean>();

/** Whether TensorFlow uses this memory where it is: JavaScript does not tell addresses, so one value is written, and put back. */
export function usedInPlace(binding: Binding, vector: Float32Array): boolean {
  const { buffer, byteOffset } = vector;
  if (vector.length === 0 || byteOffset % ALIGNMENT_BYTES !== 0) return false;
  let known = aligned.get(buffer);
  if (known === undefined) {
    known = probe(binding, vector);
    aligned.set(buffer, known);
  }
  return known;
}

function probe(binding: Binding, vector: Float32Array): boolean {
  const before = vector[0]!;
  const marker = before === 1 ? 2 : 1;
  const tensor = (dtype: number, shape: number[], values: HostValues) => binding.createTensor(shape, dtype, values);
  const ids = [
    tensor(binding.TF_FLOAT, [1, 1], vector.subarray(0, 1)),
    tensor(binding.TF_INT32, [1], ROW),
    tensor(binding.TF_FLOAT, [1, 1], Float32Array.of(marker)),
  ];
  const written = binding.executeOp('InplaceUpdate', attributes(binding), ids, 1);
  for (const id of [...ids, ...written.map((result) => result.id)]) binding.deleteTensor(id);
  const inPlace = vector[0] === marker;
  vector[0] = before;
  return inPlace;
}
