import { z } from 'zod';
import { shardControlSchema } from '../control.ts';

/** A change of strategy, quorum or rate: one record of a shard's push log, subject `subjects.push(jobId, shard)`, without tensors. From its place on it holds. */
export const controlSchema = z.strictObject({
  type: z.literal('control'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  control: shardControlSchema,
});
export type ControlHeader = z.infer<typeof controlSchema>;
