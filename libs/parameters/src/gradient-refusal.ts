import { encodingSchema } from '@downpour/contracts';
import { scaleCount } from '@downpour/kernels';
import type { Tensor } from '@downpour/tensor';
import { BYTES_PER_ELEMENT } from '@downpour/tensor';

const encodings: readonly string[] = encodingSchema.shape.gradients.unwrap().options;

/** Why a gradient cannot be one of `length` values, or null. Whether these are finite is looked at where they lie in the shard's memory. */
export const gradientRefusal = (gradient: Tensor, scales: Tensor | undefined, length: number): string | null => {
  const { dtype, shape, data } = gradient;
  if (!encodings.includes(dtype)) return `its gradient is ${dtype}, not one of ${encodings.join(', ')}`;
  if (shape.length !== 1 || data.byteLength !== length * BYTES_PER_ELEMENT[dtype])
    return `its gradient has shape [${shape.join(', ')}], not [${length}]`;
  if (dtype !== 'int8') return scales === undefined ? null : `its gradient is ${dtype}, which has no scales`;
  if (scales === undefined) return 'its gradient is int8 and has no scales';
  const blocks = scaleCount(length);
  if (scales.dtype !== 'float32' || scales.data.byteLength !== blocks * BYTES_PER_ELEMENT.float32)
    return `its scales are ${scales.dtype} of shape [${scales.shape.join(', ')}], not float32 of [${blocks}]`;
  return null;
};
