import type { KernelInstance } from './kernel-instance.ts';

/**
 * Operations on float32 vectors of equal length in one memory, in place: what Sandblaster L-BFGS is made of (section 4.2 of the paper). Each result is rounded to
 * float32, each sum is made in float64 in a fixed order.
 *
 * All throw RangeError for vectors of different length, TypeError for vectors in another memory.
 */
export class VectorKernels {
  readonly #kernels: KernelInstance;

  constructor(kernels: KernelInstance) {
    this.#kernels = kernels;
  }

  /** The sum of x[i] * y[i]. */
  dot(x: Float32Array, y: Float32Array): number {
    return this.#kernels.exports.dot(this.#kernels.addressOf(x), this.#kernels.vector(y, x.length), x.length);
  }

  /** The sum of x[i]^2: the square of the norm. */
  sumOfSquares(x: Float32Array): number {
    return this.dot(x, x);
  }

  /** x[i] *= factor */
  scale(x: Float32Array, factor: number): void {
    this.#kernels.exports.scale(this.#kernels.addressOf(x), x.length, factor);
  }

  /** y[i] += factor * x[i]; the product is rounded before it is added. */
  axpy(factor: number, x: Float32Array, y: Float32Array): void {
    this.#kernels.exports.axpy(factor, this.#kernels.addressOf(x), this.#kernels.vector(y, x.length), x.length);
  }

  /** y[i] *= x[i] */
  multiply(x: Float32Array, y: Float32Array): void {
    this.#kernels.exports.multiply(this.#kernels.addressOf(x), this.#kernels.vector(y, x.length), x.length);
  }

  /** x[i] becomes the nearest value in [-limit, limit]; NaN stays. */
  clamp(x: Float32Array, limit: number): void {
    this.#kernels.exports.clamp(this.#kernels.addressOf(x), x.length, limit);
  }

  copy(from: Float32Array, into: Float32Array): void {
    this.#kernels.exports.copy(this.#kernels.addressOf(from), this.#kernels.vector(into, from.length), from.length);
  }

  /** Whether no value is infinite or NaN. */
  allFinite(x: Float32Array): boolean {
    return this.#kernels.exports.allFinite(this.#kernels.addressOf(x), x.length) === 1;
  }
}
