import type { DatasetSummary } from '@downpour/contracts';

/** Examples of one split, row after row. */
export interface Split {
  count: number;
  /** [count, ...featureShape], row-major; images stay uint8. */
  features: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  /** int32 [count] for classes, float32 [count, labelWidth] for numbers. */
  labels: Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/** A data set in memory. `test.count` is 0 when there is no test split. */
export interface LoadedDataset {
  summary: DatasetSummary;
  train: Split;
  test: Split;
}

/** Values of one example. */
export const featureLength = (summary: DatasetSummary): number =>
  summary.featureShape.reduce((product, size) => product * size, 1);

/** Memory that a data set holds. */
export const datasetBytes = ({ train, test }: LoadedDataset): number =>
  train.features.byteLength + train.labels.byteLength + test.features.byteLength + test.labels.byteLength;
