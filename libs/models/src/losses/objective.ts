import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { LossKind } from './loss-kind.ts';
import { LOSSES } from './losses.ts';
import type { OutputForm } from './output-form.ts';
import { smoothed } from './smoothed.ts';
import { targetsOf } from './targets.ts';

/** What training makes of examples and loss; evaluations take them as they are. */
export type ObjectiveSpec = Partial<Pick<JobSpec, 'labelSmoothing' | 'classWeights' | 'augment'>>;

/**
 * The loss of each example as it is trained, [n]: targets smoothed, then times the weight of its class. A batch's loss is their mean over the examples, whatever the
 * weights add up to (Keras: class_weight, sum_over_batch_size).
 */
export function objectiveOf(
  { labelSmoothing = 0, classWeights }: ObjectiveSpec,
  { loss, form, dataset }: { loss: LossKind; form: OutputForm; dataset: DatasetSummary },
  output: Tensor2D,
  labels: Tensor,
): Tensor1D {
  const targets = targetsOf(labels, dataset, output.shape[1]);
  const losses = LOSSES[loss](output, labelSmoothing === 0 ? targets : smoothed(targets, labelSmoothing, loss), form);
  return classWeights === undefined ? losses : tf.mul(losses, tf.gather(tf.tensor1d(classWeights), labels as Tensor1D));
}
