import { DownpourError } from '@downpour/contracts';
import type { ErrorReply } from '@downpour/contracts';
import { loadBuiltIn, readDataset } from '@downpour/datasets';
import type { DatasetLimits, LoadedDataset } from '@downpour/datasets';
import { parentPort, workerData } from 'node:worker_threads';
import type { DatasetSource } from './dataset-source.ts';

/** What the thread is given: one data set to read. */
export interface LoadTask {
  source: DatasetSource;
  /** Of an upload, by form field; handed over, not copied. */
  files: [string, Uint8Array][];
  limits: DatasetLimits;
  dataDir: string | undefined;
}
export type LoadResult = { dataset: LoadedDataset } | ErrorReply;

const load = ({ source, files, limits, dataDir }: LoadTask): Promise<LoadedDataset> =>
  source.kind === 'builtIn'
    ? loadBuiltIn(source.id, dataDir, limits)
    : readDataset(source.spec, new Map(files), limits);

const answer = async (): Promise<void> => {
  let result: LoadResult;
  let handedOver: ArrayBuffer[] = [];
  try {
    const dataset = await load(workerData as LoadTask);
    const arrays = [dataset.train.features, dataset.train.labels, dataset.test.features, dataset.test.labels];
    handedOver = [...new Set(arrays.map((array) => array.buffer))];
    result = { dataset };
  } catch (error) {
    const known = error instanceof DownpourError ? error : unexpected(error);
    result = known.toReply();
  }
  parentPort?.postMessage(result, handedOver);
};

const unexpected = (error: unknown): DownpourError =>
  new DownpourError(
    'internal',
    `The data set could not be read: ${error instanceof Error ? error.message : String(error)}`,
  );

await answer();
