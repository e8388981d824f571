import { z } from 'zod';
import { valueEncodingSchema } from '../encoding.ts';

/** Read a shard's vector. Subject `subjects.pull(instance)`; the reply is a frame, sliced below max_payload. */
export const pullRequestSchema = z.strictObject({
  type: z.literal('pull'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  ownership: z.int().min(0).describe('Ownership the caller knows; another one answers not-owner'),
  ifNotVersion: z.int().min(-1).default(-1).describe('An unchanged shard answers without parameters'),
  accepted: z
    .literal(true)
    .optional()
    .describe('sandblaster only: the point of the last accepted iteration, not that of the evaluation under way'),
  encoding: valueEncodingSchema.default('float32').describe('How the parameters are wanted'),
  after: z
    .strictObject({ sequence: z.int().min(0), worker: z.string().optional() })
    .optional()
    .describe(
      'Answered once the push at that place of the log has been taken in, and nothing of the worker, if one is named, waits for its step any more; `waiting` after a while',
    ),
  clock: z
    .strictObject({ worker: z.string(), pushes: z.int().min(0), epoch: z.int().min(0), chunk: z.int().min(0) })
    .optional()
    .describe(
      'Who asks, how many pushes it has made, the chunk it works on: it waits while it is too far ahead of the slowest (ssp)',
    ),
  chunk: z
    .strictObject({ epoch: z.int().min(0), chunk: z.int().min(0) })
    .optional()
    .describe('Of this chunk: the answer says which of its pushes are settled'),
});
export type PullRequest = z.infer<typeof pullRequestSchema>;

/** Tensor `parameters`: [length of the shard] in the encoding asked for; absent when `unchanged`. All of one version. */
export const pullReplySchema = z.strictObject({
  type: z.literal('pulled'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  version: z.int().min(0),
  unchanged: z.boolean(),
  settled: z.array(z.int().min(0)).optional().describe('Pushes of the chunk asked for that need not come again'),
});
export type PullReply = z.infer<typeof pullReplySchema>;
