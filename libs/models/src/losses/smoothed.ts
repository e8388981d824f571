import tf from '@tensorflow/tfjs';
import type { Tensor2D } from '@tensorflow/tfjs';
import type { LossKind } from './loss-kind.ts';

/**
 * Label smoothing as in Keras, [n, units]: a share of each target is spread evenly over what it could be, over all classes for softmax, over yes and no for each
 * sigmoid.
 */
export function smoothed(targets: Tensor2D, share: number, loss: LossKind): Tensor2D {
  const evenly = loss === 'softmaxCrossEntropy' ? 1 / targets.shape[1] : 1 / 2;
  return tf.add(tf.mul(targets, 1 - share), share * evenly);
}
