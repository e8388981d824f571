import { z } from 'zod';

/** One item of the job's work queue. Subject `subjects.chunk(jobId)`. The worker that acknowledges it has made its pushes durable. */
export const chunkTaskSchema = z.strictObject({
  type: z.literal('chunk'),
  v: z.literal(1),
  jobId: z.string(),
  epoch: z.int().min(0),
  chunk: z.int().min(0),
  again: z.literal(true).optional().describe('Given out before: some of its pushes may be settled already'),
  version: z.int().min(1).optional().describe('sandblaster only: of the point that is to be computed on'),
});
export type ChunkTask = z.infer<typeof chunkTaskSchema>;

/** Enqueue every chunk of an epoch (idempotent). Subject `subjects.enqueueEpoch`, queue group of data-sharders. */
export const enqueueEpochRequestSchema = z.strictObject({
  type: z.literal('enqueueEpoch'),
  v: z.literal(1),
  jobId: z.string(),
  epoch: z.int().min(0),
});
export type EnqueueEpochRequest = z.infer<typeof enqueueEpochRequestSchema>;
export const enqueueEpochReplySchema = z.strictObject({
  type: z.literal('epochEnqueued'),
  v: z.literal(1),
  jobId: z.string(),
  epoch: z.int().min(0),
  chunks: z.int().min(0),
});
export type EnqueueEpochReply = z.infer<typeof enqueueEpochReplySchema>;

/** Bytes of a run of examples. Subject `subjects.examples`, queue group of data-sharders; the reply is a frame, sliced. */
export const examplesRequestSchema = z.strictObject({
  type: z.literal('examples'),
  v: z.literal(1),
  datasetId: z.string(),
  split: z.enum(['train', 'test']),
  /** With an order: positions in the epoch's permutation. Without (evaluation): file order. */
  order: z.strictObject({ seed: z.int().min(0), epoch: z.int().min(0) }).nullable(),
  begin: z.int().min(0),
  end: z.int().min(0),
});
export type ExamplesRequest = z.infer<typeof examplesRequestSchema>;
/** Tensors `features`: uint8|float32 [n, ...featureShape]; `labels`: int32 [n] for classes, float32 [n, labelWidth] for numbers. */
export const examplesReplySchema = z.strictObject({
  type: z.literal('examples'),
  v: z.literal(1),
  examples: z.int().min(0),
});
export type ExamplesReply = z.infer<typeof examplesReplySchema>;
