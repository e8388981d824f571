import { DownpourError } from '@downpour/contracts';
import { gatherRows } from './gather.ts';
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
  const { count, features, labels } = dataset[split];
  if (!Number.isInteger(begin) || !Number.isInteger(end) || begin < 0 || begin > end || end > count) {
    throw new DownpourError(
      'invalid-request',
      `Examples ${begin} to ${end} asked for; the ${split} split has ${count}`,
      {
        field: 'end',
      },
    );
  }
  return {
    count: end - begin,
    features: gatherRows(features, featureLength(dataset.summary), order, begin, end),
    labels: gatherRows(labels, dataset.summary.labelWidth, order, begin, end),
  };
};
