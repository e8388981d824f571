import { z } from 'zod';

/**
 * Add a gradient to a shard: one record of the job's push log, subject `subjects.push(jobId, shard)`, sliced below max_payload.
 * Tensor `gradient`: [length of the shard] in the job's encoding of gradients (int8: with tensor `scales`, float32, one for each block of
 * 256 values); the sum over the window's steps of the mean gradient of each batch for trainable values, the delta for state.
 */
export const pushSchema = z.strictObject({
  type: z.literal('push'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  epoch: z.int().min(0),
  chunk: z.int().min(0),
  push: z.int().min(0).describe('Index of this push within its chunk'),
  version: z
    .int()
    .min(0)
    .describe("Version of this shard that the gradient was computed on (of the window's last fetch)"),
  examples: z.int().min(0).describe('Examples whose gradients are in it'),
  worker: z.string(),
  loss: z.number().optional().describe('sandblaster only: sum of the loss over its examples'),
  bad: z
    .literal(true)
    .optional()
    .describe(
      'Its gradient had a NaN or an infinity: it was left out (shape [0]), and each shard counts it as badDropped',
    ),
});
export type PushHeader = z.infer<typeof pushSchema>;
