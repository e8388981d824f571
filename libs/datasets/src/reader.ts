import type { DatasetSpec } from '@downpour/contracts';
import type { ByteBudget, DatasetLimits } from './limits.ts';
import type { LoadedDataset } from './loaded-dataset.ts';

/** Files of an upload by form field. */
export type DatasetFiles = ReadonlyMap<string, Uint8Array>;

/** What a reader may cost: shared by all files of the data set. */
export interface ReadingContext {
  budget: ByteBudget;
  limits: DatasetLimits;
}

/** Which files a format wants: one of these sets, whole, and any of the optional ones that go with it. */
export interface FileSet {
  required: readonly string[];
  optional: readonly string[];
}

/** One format. Add one: docs/recipes/add-a-dataset-format.md. */
export interface DatasetReader<Format extends DatasetSpec['format']> {
  fileSets: readonly FileSet[];
  /** Files are there and not empty. @throws DownpourError invalid-dataset */
  read(
    spec: Extract<DatasetSpec, { format: Format }>,
    files: DatasetFiles,
    context: ReadingContext,
  ): Promise<LoadedDataset>;
}
