import { z } from 'zod';
import { datasetFileSchema, datasetSpecSchema, datasetSummarySchema } from '../dataset.ts';

/** Read a data set whole and say what is in it, or what is wrong. Subject `subjects.inspectDataset`, queue group of data-sharders. */
export const inspectDatasetRequestSchema = z.strictObject({
  type: z.literal('inspectDataset'),
  v: z.literal(1),
  datasetId: z.string(),
  source: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('builtIn') }),
    z.strictObject({ kind: z.literal('uploaded'), spec: datasetSpecSchema, files: z.array(datasetFileSchema) }),
  ]),
});
export type InspectDatasetRequest = z.infer<typeof inspectDatasetRequestSchema>;
export const inspectDatasetReplySchema = z.strictObject({
  type: z.literal('datasetInspected'),
  v: z.literal(1),
  summary: datasetSummarySchema,
});
export type InspectDatasetReply = z.infer<typeof inspectDatasetReplySchema>;
