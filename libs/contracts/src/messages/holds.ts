import { z } from 'zod';

/** Does a worker still work on anything of a job that is to be paused? Subject `subjects.holds(instance)`. */
export const holdsRequestSchema = z.strictObject({ type: z.literal('holds'), v: z.literal(1), jobId: z.string() });
export type HoldsRequest = z.infer<typeof holdsRequestSchema>;
export const holdsReplySchema = z.strictObject({
  type: z.literal('holds'),
  v: z.literal(1),
  holds: z.boolean().describe('It has a chunk in hand, or does not know yet that it should take none'),
});
export type HoldsReply = z.infer<typeof holdsReplySchema>;
