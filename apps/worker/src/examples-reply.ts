import type { DatasetSummary, ExamplesReply } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { Tensor, TensorFrame } from '@downpour/tensor';

/**
 * Whether a sharder's reply is so many examples of such a data set: what is not would be trained on as something else, or break TensorFlow's thread.
 * @throws DownpourError internal, which says in what it differs
 */
export const checkExamples = (
  { header, tensors }: TensorFrame<ExamplesReply>,
  { featureShape, featureType, labelKind, labelWidth }: DatasetSummary,
  count: number,
): void => {
  if (header.examples !== count) throw different(`holds ${header.examples} examples, not ${count}`);
  const { features, labels } = tensors;
  expectTensor('features', features, featureType, [count, ...featureShape]);
  if (labelKind === 'class') expectTensor('labels', labels, 'int32', [count]);
  else expectTensor('labels', labels, 'float32', [count, labelWidth]);
};

const expectTensor = (name: string, tensor: Tensor | undefined, dtype: string, shape: readonly number[]): void => {
  const wanted = `${dtype} [${shape.join(', ')}]`;
  const found = tensor === undefined ? 'missing' : `${tensor.dtype} [${tensor.shape.join(', ')}]`;
  if (found !== wanted) throw different(`has ${name} that are ${found}, not ${wanted}`);
};

const different = (how: string): DownpourError =>
  new DownpourError('internal', `A data-sharder's reply ${how}: do all services run the same version?`);
