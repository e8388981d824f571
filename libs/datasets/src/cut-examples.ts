import { DownpourError } from '@downpour/contracts';
import type { WrittenData } from '@downpour/tensor';
import { gatherRows, rowsToSend } from './gather.ts';
import { featureLength } from './loaded-dataset.ts';
import type { LoadedDataset, Split } from './loaded-dataset.ts';

/**
 * Copies a run of examples into buffers of their own.
 * @param order a permutation of the split (permutation.ts), or null for file order
 * @param begin first position in the order
 * @param end one past the last
 * @throws DownpourError invalid-request when the run is not within the split
 */
export const cutExamples = (
  dataset: LoadedDataset,
  split: 'train' | 'test',
  order: Uint32Array | null,
  begin: number,
  end: number,
): Split => {
  const { features, labels } = splitWith(dataset, split, begin, end);
  return {
    count: end - begin,
    features: gatherRows(features, featureLength(dataset.summary), order, begin, end),
    labels: gatherRows(labels, dataset.summary.labelWidth, order, begin, end),
  };
};

/** A run of examples that is copied when it is sent. */
export interface ExamplesToSend {
  count: number;
  features: WrittenData;
  labels: WrittenData;
}

/** The same run, to be copied once, to where it is sent from. @throws as `cutExamples` */
export const examplesToSend = (
  dataset: LoadedDataset,
  split: 'train' | 'test',
  order: Uint32Array | null,
  begin: number,
  end: number,
): ExamplesToSend => {
  const { features, labels } = splitWith(dataset, split, begin, end);
  return {
    count: end - begin,
    features: rowsToSend(features, featureLength(dataset.summary), order, begin, end),
    labels: rowsToSend(labels, dataset.summary.labelWidth, order, begin, end),
  };
};

const splitWith = (dataset: LoadedDataset, split: 'train' | 'test', begin: number, end: number): Split => {
  const { count } = dataset[split];
  if (!Number.isInteger(begin) || !Number.isInteger(end) || begin < 0 || begin > end || end > count) {
    throw new DownpourError(
      'invalid-request',
      `Examples ${begin} to ${end} asked for; the ${split} split has ${count}`,
      {
        field: 'end',
      },
    );
  }
  return dataset[split];
};
