import { z } from 'zod';
import { shardLedgerSchema } from '../job.ts';

/** Ask a shard for its account. Subject `subjects.ledger(instance)`. */
export const ledgerRequestSchema = z.strictObject({
  type: z.literal('ledger'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
});
export type LedgerRequest = z.infer<typeof ledgerRequestSchema>;
export const ledgerReplySchema = z.strictObject({
  type: z.literal('ledger'),
  v: z.literal(1),
  ledger: shardLedgerSchema,
  version: z.int().min(0),
  complete: z.boolean(),
});
export type LedgerReply = z.infer<typeof ledgerReplySchema>;
