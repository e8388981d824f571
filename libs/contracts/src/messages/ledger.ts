import { z } from 'zod';
import { shardLedgerSchema } from '../job.ts';

/** Chunks that a reply names at most: it must stay one small message. */
export const MOST_MISSING = 10_000;

/** Ask a shard for its account. Subject `subjects.ledger(instance)`. */
export const ledgerRequestSchema = z.strictObject({
  type: z.literal('ledger'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  missingBelow: z
    .int()
    .min(0)
    .optional()
    .describe('All chunks of the epochs below have been given out: name those that lack pushes here'),
});
export type LedgerRequest = z.infer<typeof ledgerRequestSchema>;
/** Chunks that lack pushes. */
export const missingChunksSchema = z.array(
  z.strictObject({ epoch: z.int().min(0), chunks: z.array(z.int().min(0)).max(MOST_MISSING) }),
);
export type MissingChunks = z.infer<typeof missingChunksSchema>;
export const ledgerReplySchema = z.strictObject({
  type: z.literal('ledger'),
  v: z.literal(1),
  ledger: shardLedgerSchema,
  version: z.int().min(0),
  complete: z.boolean(),
  missing: missingChunksSchema.optional().describe(`At most ${MOST_MISSING} chunks, the first`),
});
export type LedgerReply = z.infer<typeof ledgerReplySchema>;
