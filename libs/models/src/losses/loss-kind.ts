import type { DatasetSummary, JobSpec } from '@downpour/contracts';

export type LossKind = NonNullable<JobSpec['loss']>;

/** What is trained when a job does not say: classes by softmax cross-entropy, numbers by squared error. */
export function defaultLoss(dataset: DatasetSummary): LossKind {
  return dataset.labelKind === 'class' ? 'softmaxCrossEntropy' : 'meanSquaredError';
}
