import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { OutputForm } from '../losses/output-form.ts';

/** How many examples of a batch are right, float32 scalar; null where answers are numbers, not classes. */
export function correctAnswers(
  output: Tensor2D,
  labels: Tensor,
  dataset: DatasetSummary,
  form: OutputForm,
): Scalar | null {
  if (dataset.labelKind === 'number') return null;
  const answers =
    output.shape[1] === 1
      ? tf.cast(tf.greater(tf.reshape(output, [-1]), form === 'logits' ? 0 : 0.5), 'int32')
      : tf.argMax(output, 1);
  return tf.sum(tf.cast(tf.equal(answers, labels as Tensor1D), 'float32')) as Scalar;
}
