import tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import { SEEDED_DROPOUT } from './topology/training-topology.ts';

/** Numbers from [0, 1) for a dropout layer: the same for the same step's seed and layer. */
export type UniformSource = (shape: number[], layer: number) => Tensor;

/** More than a model has layers. */
const CALL = 2 ** 16;

/** Drops where the step's uniform numbers fall below the rate, and scales what is kept (inverted dropout, as Keras does). */
export class SeededDropout extends tf.layers.Layer {
  static className = SEEDED_DROPOUT;
  #source: UniformSource | null = null;
  #calls = 0;
  readonly rate: number;
  readonly index: number;

  constructor(config: { name: string; rate: number; index: number }) {
    super(config);
    this.rate = config.rate;
    this.index = config.index;
  }

  /** To be called before each step. */
  begin(source: UniformSource): void {
    this.#source = source;
    this.#calls = 0;
  }

  override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
    const input = Array.isArray(inputs) ? inputs[0]! : inputs;
    if (!kwargs['training'] || this.rate === 0) return input;
    const source = this.#source;
    if (!source) throw new Error('A step was run without numbers for dropout');
    // A layer that is used at several places of a model drops others at each.
    const index = this.index + CALL * this.#calls++;
    return tf.tidy(() => {
      const keep = tf.cast(tf.greaterEqual(source(input.shape, index), this.rate), 'float32');
      return tf.mul(input, tf.mul(keep, 1 / (1 - this.rate)));
    });
  }

  override computeOutputShape(shape: (number | null)[]): (number | null)[] {
    return shape;
  }
}
tf.serialization.registerClass(SeededDropout);
