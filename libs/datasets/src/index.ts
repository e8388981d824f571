export { builtInSummary, isBuiltIn, loadBuiltIn } from './built-in.ts';
export { cutExamples, examplesToSend } from './cut-examples.ts';
export { DEFAULT_LIMITS } from './limits.ts';
export { datasetBytes, featureLength } from './loaded-dataset.ts';
export { permutation } from './permutation.ts';
export { checkDatasetFiles, DATASET_READERS, readDataset } from './read-dataset.ts';

export type { ExamplesToSend } from './cut-examples.ts';
export type { BuiltInId } from './built-in.ts';
export type { DatasetLimits } from './limits.ts';
export type { LoadedDataset, Split } from './loaded-dataset.ts';
export type { BlobSource } from './ports.ts';
export type { DatasetFiles, DatasetReader, FileSet, ReadingContext } from './reader.ts';
