import { z } from 'zod';
import { pullReplySchema, pullRequestSchema } from './pull.ts';
import { pushSchema } from './push.ts';

/**
 * Add a gradient to a shard of a job without a push log, and read the shard's vector, in one round. Subject `subjects.pushPull(instance)`, tensors as those of
 * a push; sliced below max_payload. Sent again it is dropped as a duplicate and answered all the same.
 */
export const pushPullRequestSchema = z.strictObject({
  type: z.literal('pushPull'),
  v: z.literal(1),
  ownership: z.int().min(0).describe('Ownership the caller knows; another one answers not-owner'),
  push: pushSchema,
  pull: pullRequestSchema.pick({ encoding: true }).nullable().describe('null: only push'),
});
export type PushPullRequest = z.infer<typeof pushPullRequestSchema>;

/** Tensor `parameters` as that of a pull, with the push applied; `unchanged` where none were asked for. */
export const pushPullReplySchema = pullReplySchema.extend({ type: z.literal('pushPulled') });
export type PushPullReply = z.infer<typeof pushPullReplySchema>;
