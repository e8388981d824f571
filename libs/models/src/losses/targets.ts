import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';

/**
 * What the outputs should be, float32 [n, units]: classes one-hot (0 or 1 for a model with a single output), numbers as they are.
 * `labels`: int32 [n] for classes, float32 [n, labelWidth] for numbers.
 */
export function targetsOf(labels: Tensor, dataset: DatasetSummary, units: number): Tensor2D {
  if (dataset.labelKind === 'number') return labels as Tensor2D;
  if (units === 1) return tf.reshape(tf.cast(labels, 'float32'), [-1, 1]);
  return tf.cast(tf.oneHot(labels as Tensor1D, units), 'float32') as Tensor2D;
}
