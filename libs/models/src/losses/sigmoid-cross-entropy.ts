import tf from '@tensorflow/tfjs';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { OutputForm } from './output-form.ts';

/** Binary cross-entropy of each example, mean over its outputs. Shapes [n, units] -> [n]. */
export function sigmoidCrossEntropy(output: Tensor2D, targets: Tensor2D, form: OutputForm): Tensor1D {
  if (form === 'probabilities') {
    const p = tf.clipByValue(output, 1e-7, 1 - 1e-7);
    const hit = tf.mul(targets, tf.log(p));
    const miss = tf.mul(tf.sub(1, targets), tf.log(tf.sub(1, p)));
    return tf.neg(tf.mean(tf.add(hit, miss), 1));
  }
  // max(x, 0) - x z + log(1 + exp(-|x|)): no exponent of a large number.
  const tail = tf.log1p(tf.exp(tf.neg(tf.abs(output))));
  return tf.mean(tf.add(tf.sub(tf.relu(output), tf.mul(output, targets)), tail), 1);
}
