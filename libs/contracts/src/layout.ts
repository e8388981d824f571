import { z } from 'zod';

/** Where each variable of a model stands in the job's flat parameter vector. Offsets and lengths count float32 values. */
export const variableSchema = z.strictObject({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  offset: z.int().min(0),
  length: z.int().min(0),
  trainable: z
    .boolean()
    .describe('false: state such as moving averages; a push to it is a delta that is added as it is'),
});
export type Variable = z.infer<typeof variableSchema>;

/** Trainable variables first, then state: the vector is trainable up to `trainableLength`. */
export const parameterLayoutSchema = z.strictObject({
  length: z.int().min(1),
  trainableLength: z.int().min(0),
  variables: z.array(variableSchema),
});
export type ParameterLayout = z.infer<typeof parameterLayoutSchema>;

/** A half-open range of offsets [begin, end). */
export const keyRangeSchema = z.strictObject({ begin: z.int().min(0), end: z.int().min(0) });
export type KeyRange = z.infer<typeof keyRangeSchema>;

/** How the epochs of a job are cut. Everything else about chunks follows (chunk-arithmetic.ts). */
export const chunkPlanSchema = z.strictObject({
  examples: z.int().min(1),
  chunkSize: z.int().min(1),
  batchSize: z.int().min(1),
  nPush: z.int().min(1),
  epochs: z.int().min(1),
  seed: z.int().min(0),
});
export type ChunkPlan = z.infer<typeof chunkPlanSchema>;
