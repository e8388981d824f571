import tf from '@tensorflow/tfjs';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs';

/** Squared error of each example, mean over its outputs. Shapes [n, width] -> [n]. */
export function meanSquaredError(output: Tensor2D, targets: Tensor2D): Tensor1D {
  return tf.mean(tf.square(tf.sub(output, targets)), 1);
}
