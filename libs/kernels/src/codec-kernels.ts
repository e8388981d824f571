import type { EncodedVector } from './encoded-vector.ts';
import type { KernelInstance } from './kernel-instance.ts';

/**
 * float32 <-> what crosses the wire. bfloat16 and float16: to nearest, ties to even; NaN stays NaN. int8: for each block of 256 values, scale = max |value| / 127,
 * code = value * (1 / scale) to nearest, ties to even; a block with an infinity or a NaN in it decodes to NaN.
 *
 * All throw RangeError for vectors that are too short, TypeError for vectors in another memory.
 */
export class CodecKernels {
  readonly #kernels: KernelInstance;

  constructor(kernels: KernelInstance) {
    this.#kernels = kernels;
  }

  /**
   * Encodes all of `values` to `into`. With a `residual` (float32, as long; zeros at first) what the encoding takes away is added the next time (error feedback):
   * value = x + residual; residual = value - decoded. A float16 is then never made infinite by a finite value; where a value is not finite, its residual
   * becomes zero.
   */
  encode(values: Float32Array, into: EncodedVector, residual?: Float32Array): void {
    const { exports } = this.#kernels;
    const { length } = values;
    const from = this.#kernels.addressOf(values);
    const [, codes, scales] = this.#kernels.encoded(into, length);
    // Address 0 is no vector's: scratch lies there.
    const kept = residual === undefined ? 0 : this.#kernels.vector(residual, length);
    switch (into.encoding) {
      case 'float32':
        exports.copy(from, codes, length);
        if (residual === undefined) return;
        exports.axpy(1, kept, codes, length);
        residual.fill(0);
        return;
      case 'bfloat16':
        return exports.encodeBfloat16(from, kept, codes, length);
      case 'float16':
        return exports.encodeFloat16(from, kept, codes, length);
      case 'int8':
        return exports.encodeInt8(from, kept, codes, scales, length);
    }
  }

  /** Whether the first `length` values are, decoded, neither infinite nor NaN. Reads float32 and halves once; of int8 only the scales. */
  finite(encoded: EncodedVector, length: number): boolean {
    return this.#kernels.exports.finite(...this.#kernels.encoded(encoded, length), length) === 1;
  }

  /** into[i] = value[from + i] */
  decode(encoded: EncodedVector, into: Float32Array, from = 0): void {
    const { length } = into;
    const vector = this.#kernels.encoded(encoded, from + length);
    this.#kernels.exports.decode(...vector, from, length, this.#kernels.addressOf(into));
  }

  /** into[i] += value[from + i] */
  accumulate(encoded: EncodedVector, into: Float32Array, from = 0): void {
    const { length } = into;
    const vector = this.#kernels.encoded(encoded, from + length);
    this.#kernels.exports.accumulate(...vector, from, length, this.#kernels.addressOf(into));
  }
}
