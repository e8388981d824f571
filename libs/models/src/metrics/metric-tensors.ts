import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { OutputForm } from '../losses/output-form.ts';
import { targetsOf } from '../losses/targets.ts';
import { answersOf } from './accuracy.ts';
import { countsClasses, scalarsOf, type MetricsSpec } from './metric-sums.ts';

/** Sums of a batch, in the order of metric-sums.ts; float32, in which counts of a batch are exact. */
export function metricSums(
  spec: MetricsSpec,
  output: Tensor2D,
  labels: Tensor,
  dataset: DatasetSummary,
  form: OutputForm,
): Tensor1D[] {
  const one = {
    topK: () => countAmongTop(spec.topK, output, labels as Tensor1D),
    meanSquaredError: () => tf.mean(tf.square(errors(output, labels, dataset, form)), 1),
    meanAbsoluteError: () => tf.mean(tf.abs(errors(output, labels, dataset, form)), 1),
  };
  const scalars = scalarsOf(spec).map((name) => tf.reshape(tf.sum(one[name]()), [1]) as Tensor1D);
  return countsClasses(spec) ? [...scalars, classCounts(output, labels as Tensor1D, form)] : scalars;
}

/** For each example 1 where fewer than k classes beat its own; of equal outputs the lower class wins, as in argMax, and NaN wins nothing. */
function countAmongTop(k: number, output: Tensor2D, labels: Tensor1D): Tensor {
  const units = output.shape[1];
  const own = tf.sum(tf.mul(tf.cast(tf.oneHot(labels, units), 'float32'), output), 1, true);
  const classes = tf.range(0, units, 1, 'int32');
  const notAfter = tf.lessEqual(tf.reshape(labels, [-1, 1]), classes);
  const number = (truth: Tensor) => tf.cast(truth, 'float32');
  const beaten = tf.add(number(tf.greater(own, output)), tf.mul(number(tf.equal(own, output)), number(notAfter)));
  const ahead = tf.sub(units, tf.sum(beaten, 1));
  return tf.cast(tf.less(ahead, k), 'float32');
}

/** Answer minus what it should be, [n, width]: numbers as they are, probabilities where they are trained by sigmoid cross-entropy. */
function errors(output: Tensor2D, labels: Tensor, dataset: DatasetSummary, form: OutputForm): Tensor2D {
  const answers = form === 'logits' ? tf.sigmoid(output) : output;
  return tf.sub(answers, targetsOf(labels, dataset, output.shape[1]));
}

/** [3 * classes]: hits, answers, labels of each; of class 1 alone, [3], for a model with a single output. */
function classCounts(output: Tensor2D, labels: Tensor1D, form: OutputForm): Tensor1D {
  const units = output.shape[1];
  const answers = answersOf(output, form);
  const oneHot = (values: Tensor1D): Tensor2D =>
    units === 1
      ? tf.reshape(tf.cast(values, 'float32'), [-1, 1])
      : (tf.cast(tf.oneHot(values, units), 'float32') as Tensor2D);
  const [answered, labelled] = [oneHot(answers), oneHot(labels)];
  const counts = [tf.mul(answered, labelled), answered, labelled].map((rows) => tf.sum(rows, 0) as Tensor1D);
  return tf.concat1d(counts);
}
