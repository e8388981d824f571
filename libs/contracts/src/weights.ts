import { z } from 'zod';

/** Parameters that were uploaded for jobs to begin with: POST /v1/weights, a safetensors file with each variable under its name. */
export const weightsRecordSchema = z
  .strictObject({
    id: z.string().describe('What `initialWeights` of a job names'),
    bytes: z.int().min(0).describe('Of the whole file'),
    variables: z.int().min(1),
    parameters: z.int().min(0),
  })
  .meta({ id: 'Weights' });
export type WeightsRecord = z.infer<typeof weightsRecordSchema>;
