import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { OutputForm } from '../losses/output-form.ts';

/** The class that each row of output says, int32 [n]: the largest, or for a single output whether it is more likely than not. */
export function answersOf(output: Tensor2D, form: OutputForm): Tensor1D {
  return output.shape[1] === 1
    ? (tf.cast(tf.greater(tf.reshape(output, [-1]), form === 'logits' ? 0 : 0.5), 'int32') as Tensor1D)
    : tf.argMax(output, 1);
}

/** How many examples of a batch are right, float32 scalar; null where answers are numbers, not classes. */
export function correctAnswers(
  output: Tensor2D,
  labels: Tensor,
  dataset: DatasetSummary,
  form: OutputForm,
): Scalar | null {
  if (dataset.labelKind === 'number') return null;
  return tf.sum(tf.cast(tf.equal(answersOf(output, form), labels as Tensor1D), 'float32')) as Scalar;
}
