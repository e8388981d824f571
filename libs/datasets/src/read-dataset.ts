import type { DatasetSpec } from '@downpour/contracts';
import { invalidDataset } from './invalid-dataset.ts';
import { ByteBudget, DEFAULT_LIMITS } from './limits.ts';
import type { DatasetLimits } from './limits.ts';
import type { LoadedDataset } from './loaded-dataset.ts';
import type { DatasetFiles, DatasetReader, FileSet } from './reader.ts';
import { csvReader } from './readers/csv.ts';
import { idxReader } from './readers/idx.ts';
import { imagesReader } from './readers/images.ts';
import { numpyReader } from './readers/numpy.ts';

/** Every format by the name that a spec gives it. */
export const DATASET_READERS: { readonly [Format in DatasetSpec['format']]: DatasetReader<Format> } = {
  idx: idxReader,
  csv: csvReader,
  numpy: numpyReader,
  images: imagesReader,
};

/**
 * Reads an upload whole.
 * @param files by form field
 * @throws DownpourError invalid-dataset naming the file, the place in it and what would be right
 */
export const readDataset = async (
  spec: DatasetSpec,
  files: DatasetFiles,
  limits: DatasetLimits = DEFAULT_LIMITS,
): Promise<LoadedDataset> => {
  // The compiler cannot see that the reader found by spec.format takes this spec.
  const reader = DATASET_READERS[spec.format] as DatasetReader<typeof spec.format>;
  checkDatasetFiles(spec.format, [...files.keys()]);
  for (const [file, bytes] of files) {
    if (bytes.byteLength === 0) throw invalidDataset(file, 'is empty: it has no bytes');
  }
  const dataset = await reader.read(spec as never, files, { budget: new ByteBudget(limits.maxBytes), limits });
  if (dataset.train.count === 0) throw invalidDataset('train', 'is empty: the training split has no example');
  return dataset;
};

/** The files a format wants, by form field, are all there and no others. @throws DownpourError invalid-dataset */
export const checkDatasetFiles = (format: DatasetSpec['format'], fields: readonly string[]): void => {
  const { fileSets } = DATASET_READERS[format];
  const wanted = `${format} takes ${fileSets.map(describe).join('; or ')}`;
  // The set that fits best is the one meant.
  const set = fileSets.find((candidate) => candidate.required.some((field) => fields.includes(field))) ?? fileSets[0]!;
  const missing = set.required.find((field) => !fields.includes(field));
  if (missing !== undefined) throw invalidDataset(missing, `is missing: ${wanted}`);
  const surplus = fields.find((field) => !set.required.includes(field) && !set.optional.includes(field));
  if (surplus !== undefined) throw invalidDataset(surplus, `is a file that has no meaning here: ${wanted}`);
};

const describe = ({ required, optional }: FileSet): string =>
  `the files ${required.join(', ')}${optional.length === 0 ? '' : ` and, if there is a test split, ${optional.join(', ')}`}`;
