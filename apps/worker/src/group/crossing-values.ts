import type { EncodingSpec } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { requireTensor } from '@downpour/tensor';
import type { OutgoingTensor, Tensor } from '@downpour/tensor';

/** Tensors cross as float32, or as bfloat16 where the job's gradients are encoded: what rounding takes away of an activation nothing gives back, so no shorter. */
export const crossesShort = ({ gradients }: EncodingSpec): boolean => gradients !== 'float32';

/** What crosses from member to member. */
export function sentValues(values: Float32Array, short: boolean): Record<string, OutgoingTensor> {
  const shape = [values.length];
  return {
    values: short ? { dtype: 'bfloat16', shape, data: rounded(values) } : { dtype: 'float32', shape, data: values },
  };
}

/** The values that came, in memory of their own: where they were received is read into again. */
export function receivedValues(tensors: Record<string, Tensor>): Float32Array {
  const tensor = requireTensor(tensors, 'values');
  return tensor.dtype === 'bfloat16' ? widened(tensor.data) : copied(tensor);
}

/** To the nearest, ties to even; NaN stays NaN. */
function rounded(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const short = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    short[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return short;
}

function copied({ dtype, data }: Tensor): Float32Array {
  if (dtype !== 'float32')
    throw new DownpourError('invalid-request', `A tensor crosses as float32 or bfloat16, not as ${dtype}`);
  // Whatever its alignment, once.
  return new Float32Array(new Uint8Array(data).buffer);
}

function widened(data: Uint8Array): Float32Array {
  // Not `slice`: a Buffer's is a view.
  const short = new Uint16Array(new Uint8Array(data).buffer);
  const bits = new Uint32Array(short.length);
  for (let i = 0; i < short.length; i++) bits[i] = short[i]! << 16;
  return new Float32Array(bits.buffer);
}
