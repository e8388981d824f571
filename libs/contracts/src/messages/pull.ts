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
});
export type PullReply = z.infer<typeof pullReplySchema>;
