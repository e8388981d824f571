/** Element types that cross the wire, little-endian. */
export type DType = 'float32' | 'bfloat16' | 'float16' | 'int32' | 'uint8' | 'int8';

/** A dense tensor as raw bytes: `data.byteLength` is the product of `shape` times the size of an element. */
export interface Tensor {
  dtype: DType;
  shape: number[];
  data: Uint8Array;
}

/** Values that are put together where they are sent from. */
export interface WrittenData {
  readonly byteLength: number;
  /** Fills all of `target`, which has `byteLength` bytes and is aligned for every element type. */
  writeTo(target: Uint8Array): void;
}

/** A tensor to be sent. Several parts are written one after the other: a shard's key ranges need no copy to become one tensor. */
export interface OutgoingTensor {
  dtype: DType;
  shape: readonly number[];
  data: ArrayBufferView | readonly ArrayBufferView[] | WrittenData;
}

/** A message with tensors: what every request, reply and log record that carries numbers is. */
export interface TensorFrame<Header = unknown> {
  header: Header;
  tensors: Record<string, Tensor>;
}

/** A frame to be sent. */
export interface OutgoingFrame<Header = unknown> {
  header: Header;
  tensors?: Record<string, OutgoingTensor>;
}
