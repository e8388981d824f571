import { z } from 'zod';
import { datasetSummarySchema } from '../dataset.ts';
import { jobSpecSchema } from '../job-spec.ts';
import { parameterLayoutSchema } from '../layout.ts';
import { modelCutSchema } from '../partitions.ts';

/**
 * Build the model, check it against the data set, write the initial parameters (object `objects.initialParameters(jobId)`:
 * float32 little-endian, layout.length values). Subject `subjects.prepare`, queue group of workers. Fails with invalid-model.
 */
export const prepareRequestSchema = z.strictObject({
  type: z.literal('prepare'),
  v: z.literal(1),
  jobId: z.string(),
  spec: jobSpecSchema,
  dataset: datasetSummarySchema,
});
export type PrepareRequest = z.infer<typeof prepareRequestSchema>;
export const prepareReplySchema = z.strictObject({
  type: z.literal('prepared'),
  v: z.literal(1),
  jobId: z.string(),
  topology: z.record(z.string(), z.unknown()),
  layout: parameterLayoutSchema,
  cut: modelCutSchema.optional().describe('When the spec asks for partitions'),
  loss: z.enum(['softmaxCrossEntropy', 'sigmoidCrossEntropy', 'meanSquaredError']),
});
export type PrepareReply = z.infer<typeof prepareReplySchema>;
