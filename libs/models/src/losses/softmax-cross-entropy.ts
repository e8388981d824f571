import tf from '@tensorflow/tfjs';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { OutputForm } from './output-form.ts';

/** Cross-entropy of each example: -sum(target * log softmax(logits)). Shapes [n, classes] -> [n]. */
export function softmaxCrossEntropy(output: Tensor2D, targets: Tensor2D, form: OutputForm): Tensor1D {
  const logs = form === 'probabilities' ? tf.log(tf.clipByValue(output, 1e-7, 1 - 1e-7)) : tf.logSoftmax(output, -1);
  return tf.neg(tf.sum(tf.mul(targets, logs), 1));
}
