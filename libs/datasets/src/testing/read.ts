import type { DatasetSpec } from '@downpour/contracts';
import { datasetSpecSchema, datasetSummarySchema, DownpourError } from '@downpour/contracts';
import type { z } from 'zod';
import type { DatasetLimits } from '../limits.ts';
import type { LoadedDataset } from '../loaded-dataset.ts';
import { featureLength } from '../loaded-dataset.ts';
import { readDataset } from '../read-dataset.ts';

/** Reads, and checks what every loaded data set must satisfy. */
export const read = async (
  spec: z.input<typeof datasetSpecSchema>,
  files: Record<string, Uint8Array>,
  limits?: DatasetLimits,
): Promise<LoadedDataset> => {
  const parsed: DatasetSpec = datasetSpecSchema.parse(spec);
  const dataset = await readDataset(parsed, new Map(Object.entries(files)), limits);
  const { summary } = dataset;
  datasetSummarySchema.parse(summary);
  for (const [split, count] of [
    [dataset.train, summary.trainExamples],
    [dataset.test, summary.testExamples],
  ] as const) {
    if (split.count !== count) throw new Error(`count ${split.count} is not ${count}`);
    if (split.features.length !== count * featureLength(summary)) throw new Error('features have the wrong length');
    if (split.labels.length !== count * summary.labelWidth) throw new Error('labels have the wrong length');
    if (split.features instanceof Uint8Array !== (summary.featureType === 'uint8'))
      throw new Error('wrong feature type');
    if (split.labels instanceof Int32Array !== (summary.labelKind === 'class')) throw new Error('wrong label type');
  }
  return dataset;
};

/** The error a reader gives. */
export const refusal = async (reading: Promise<unknown>): Promise<DownpourError> => {
  try {
    await reading;
  } catch (error) {
    if (error instanceof DownpourError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};
