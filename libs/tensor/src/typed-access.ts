import { DownpourError } from '@downpour/contracts';
import { BYTES_PER_ELEMENT } from './dtype.ts';
import type { DType, Tensor } from './tensor.ts';

/**
 * The tensor's values as a typed array: a view where its bytes are aligned (always, when the frame was assembled from slices or
 * received with an aligned start), else a copy.
 * @throws DownpourError invalid-request when it has another dtype.
 */
export const asFloat32 = (tensor: Tensor): Float32Array => {
  const bytes = aligned(tensor, 'float32');
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};

/** As asFloat32, for int32. */
export const asInt32 = (tensor: Tensor): Int32Array => {
  const bytes = aligned(tensor, 'int32');
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};

/** As asFloat32, for uint8: always a view. */
export const asUint8 = (tensor: Tensor): Uint8Array => aligned(tensor, 'uint8');

/** The tensor of that name. @throws DownpourError invalid-request when the frame has none. */
export const requireTensor = (tensors: Record<string, Tensor>, name: string): Tensor => {
  const tensor = tensors[name];
  if (tensor === undefined) throw new DownpourError('invalid-request', `The frame has no tensor named ${name}`);
  return tensor;
};

const aligned = ({ dtype, data }: Tensor, wanted: DType): Uint8Array => {
  if (dtype !== wanted)
    throw new DownpourError('invalid-request', `A tensor of ${wanted} is needed, this one is ${dtype}`);
  // Not `slice`: a Buffer's is a view.
  return data.byteOffset % BYTES_PER_ELEMENT[wanted] === 0 ? data : new Uint8Array(data);
};
