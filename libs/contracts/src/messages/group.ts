import { z } from 'zod';
import { errorReplySchema } from '../errors.ts';
import { chunkTaskSchema } from './chunk.ts';

/** What the members of a group do together: train one chunk, or go through the test split. */
export const groupWorkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('chunk'), task: chunkTaskSchema }),
  z.strictObject({ kind: z.literal('evaluate') }),
]);
export type GroupWork = z.infer<typeof groupWorkSchema>;

/**
 * The leader of a group to one of its members. Subject `subjects.groupWork(instance)`. `begin` may come twice; `wait` is answered when the work has ended or after a second; `giveUp` once
 * the member has let go of it. A member that does not know the generation (yet, or any more) answers `unavailable`.
 */
export const groupWorkRequestSchema = z.strictObject({
  type: z.literal('groupWork'),
  v: z.literal(1),
  jobId: z.string(),
  generation: z.int().min(1),
  partition: z.int().min(0).describe('Of the member that is asked'),
  run: z.string().min(1).max(64).describe('Name of this piece of work: its messages are fenced by it'),
  ask: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('begin'), work: groupWorkSchema }),
    z.strictObject({ kind: z.literal('wait') }),
    z.strictObject({ kind: z.literal('giveUp') }),
  ]),
});
export type GroupWorkRequest = z.infer<typeof groupWorkRequestSchema>;

export const evaluationSumsSchema = z.strictObject({
  lossSum: z.number(),
  correct: z.number().nullable(),
  metrics: z.array(z.number()),
  examples: z.int().min(0),
});

export const groupWorkReplySchema = z.strictObject({
  type: z.literal('groupWork'),
  v: z.literal(1),
  state: z.enum(['working', 'done', 'failed']),
  sums: evaluationSumsSchema.optional().describe('Of an evaluation, from the member that holds the output'),
  error: errorReplySchema.shape.error.optional().describe('Why it failed'),
});
export type GroupWorkReply = z.infer<typeof groupWorkReplySchema>;

/** A tensor from one member to another. Subject `subjects.crossing(instance)`; tensor `values`, flat. */
export const crossingRequestSchema = z.strictObject({
  type: z.literal('crossing'),
  v: z.literal(1),
  jobId: z.string(),
  run: z.string().min(1).max(64),
  from: z.int().min(0).describe('Partition of the sender'),
  step: z.int().min(0),
  microBatch: z.int().min(0),
  tensor: z.string().describe('The layer that makes it'),
  direction: z.enum(['forward', 'backward']),
});
export type CrossingRequest = z.infer<typeof crossingRequestSchema>;
export const crossingReplySchema = z.strictObject({ type: z.literal('crossed'), v: z.literal(1) });
export type CrossingReply = z.infer<typeof crossingReplySchema>;
