import type { EncodedVector } from './encoded-vector.ts';
import type { KernelInstance } from './kernel-instance.ts';

/*
 * Numbers are rounded to float32 on their way into WebAssembly. What is computed from hyperparameters is computed in double precision first, as TensorFlow does.
 */

/** tfjs's backend.epsilon() for float32. */
const ADAGRAD_EPSILON = 1e-7;

/**
 * The arithmetic of update rules (libs/parameters says what they mean). Each takes the trainable values, a gradient of at least as many values in any encoding,
 * and the rule's slots, as long as the values, and works in place in one pass. Every operation is rounded to float32 and none is fused: the same
 * bits on every machine.
 *
 * All throw RangeError for vectors of another length, TypeError for vectors in another memory.
 */
export class RuleKernels {
  readonly #kernels: KernelInstance;

  constructor(kernels: KernelInstance) {
    this.#kernels = kernels;
  }

  /** w -= lr * g */
  sgd(parameters: Float32Array, gradient: EncodedVector, { learningRate }: { learningRate: number }): void {
    const { exports, ...at } = this.#arguments(parameters, gradient);
    exports.sgd(...at.gradient, at.length, at.parameters, -learningRate);
  }

  /** a = m * a + g; w -= lr * a, or with Nesterov w -= lr * (g + m * a) */
  momentum(
    parameters: Float32Array,
    gradient: EncodedVector,
    accumulated: Float32Array,
    { learningRate, momentum, nesterov }: { learningRate: number; momentum: number; nesterov: boolean },
  ): void {
    const { exports, slot, ...at } = this.#arguments(parameters, gradient);
    const a = slot(accumulated);
    exports.momentum(...at.gradient, at.length, at.parameters, a, -learningRate, momentum, Number(nesterov));
  }

  /** s += g^2; w -= lr * g / sqrt(s + 1e-7) */
  adagrad(
    parameters: Float32Array,
    gradient: EncodedVector,
    sumOfSquares: Float32Array,
    { learningRate }: { learningRate: number },
  ): void {
    const { exports, slot, ...at } = this.#arguments(parameters, gradient);
    exports.adagrad(...at.gradient, at.length, at.parameters, slot(sumOfSquares), -learningRate, ADAGRAD_EPSILON);
  }

  /** s = d * s + (1 - d) * g^2; v = m * v + lr * g / sqrt(s + epsilon); w -= v. Without `moments`, as with m = 0. */
  rmsprop(
    parameters: Float32Array,
    gradient: EncodedVector,
    meanSquare: Float32Array,
    moments: Float32Array | undefined,
    hyperparameters: { learningRate: number; decay: number; momentum: number; epsilon: number },
  ): void {
    const { exports, slot, ...at } = this.#arguments(parameters, gradient);
    const { learningRate, decay, momentum, epsilon } = hyperparameters;
    const [s, v] = [slot(meanSquare), moments === undefined ? 0 : slot(moments)];
    const { length, parameters: w } = at;
    exports.rmsprop(...at.gradient, length, w, s, v, learningRate, decay, 1 - decay, momentum, epsilon);
  }

  /**
   * m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon). `step` is t: 1 for the
   * first gradient.
   */
  adam(
    parameters: Float32Array,
    gradient: EncodedVector,
    mean: Float32Array,
    square: Float32Array,
    hyperparameters: { learningRate: number; beta1: number; beta2: number; epsilon: number; step: number },
  ): void {
    const { exports, slot, ...at } = this.#arguments(parameters, gradient);
    const { learningRate, beta1, beta2, epsilon, step } = hyperparameters;
    const vectors = [at.length, at.parameters, slot(mean), slot(square)] as const;
    // Powers of the betas as float32 holds them: 1 - b2 differs from 0.001 in the fifth digit, and TensorFlow's does, too.
    const first = [beta1, 1 - beta1, 1 - Math.fround(beta1) ** step] as const;
    const second = [beta2, 1 - beta2, 1 - Math.fround(beta2) ** step] as const;
    exports.adam(...at.gradient, ...vectors, -learningRate, ...first, ...second, epsilon);
  }

  #arguments(parameters: Float32Array, gradient: EncodedVector) {
    const kernels = this.#kernels;
    const { length } = parameters;
    return {
      exports: kernels.exports,
      length,
      parameters: kernels.addressOf(parameters),
      gradient: kernels.encoded(gradient, length),
      slot: (values: Float32Array) => kernels.vector(values, length),
    };
  }
}
