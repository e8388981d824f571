import { z } from 'zod';
import { chunkTaskSchema } from './chunk.ts';

const vector = z.string().min(1).max(40);
/** Any float64: what has overflowed must be told, too. */
const float = z.custom<number>((value) => typeof value === 'number', 'a number');

/**
 * What a shard does with its slices of the named vectors of a sandblaster job (paper, section 4.2). `point` is what workers pull, `gradient` what their portions
 * add up to; any other name is a vector of its own, zero before it is first written.
 */
export const vectorOperationSchema = z.discriminatedUnion('op', [
  /** into <- from */
  z.strictObject({ op: z.literal('copy'), from: vector, into: vector }),
  /** vector <- factor * vector */
  z.strictObject({ op: z.literal('scale'), vector, factor: float }),
  /** y <- y + factor * x */
  z.strictObject({ op: z.literal('axpy'), factor: float, x: vector, y: vector }),
  /** y <- x * y, value by value */
  z.strictObject({ op: z.literal('multiply'), x: vector, y: vector }),
  /** Answers the sum of x * y over the slice. */
  z.strictObject({ op: z.literal('dot'), x: vector, y: vector }),
  /** `point` is complete: workers may pull it, as `version`, and push the gradients of its portions as those of that epoch. */
  z.strictObject({ op: z.literal('gather'), evaluation: z.int().min(0), version: z.int().min(1) }),
  /** `gradient` <- mean gradient over the whole batch. Answers the mean loss. Refused with `conflict` while portions are missing. */
  z.strictObject({ op: z.literal('gathered'), evaluation: z.int().min(0) }),
  /** `point`, these vectors and `state` are stored as that iteration; `point` is what evaluations on the test split read from then on. */
  z.strictObject({
    op: z.literal('commit'),
    iteration: z.int().min(0),
    vectors: z.array(vector).max(1000),
    state: z.string(),
  }),
]);
export type VectorOperation = z.infer<typeof vectorOperationSchema>;

/**
 * Operations of one round, one after another. Subject `subjects.vectorOperations(instance)`. A round that is sent again is not done again: its answer is. A
 * round that does not follow the one before, or is of another session, is refused with `conflict`: restore.
 */
export const vectorOperationsRequestSchema = z.strictObject({
  type: z.literal('vectorOperations'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  ownership: z.int().min(0),
  session: z.string(),
  round: z.int().min(1),
  operations: z.array(vectorOperationSchema).max(10_000),
});
export type VectorOperationsRequest = z.infer<typeof vectorOperationsRequestSchema>;
export const vectorOperationsReplySchema = z.strictObject({
  type: z.literal('vectorsOperated'),
  v: z.literal(1),
  shard: z.int().min(0),
  round: z.int().min(1),
  scalars: z.array(float).describe('Of each dot and gathered, in order'),
  stored: z.int().min(-1).describe('Newest iteration that is stored; -1: none'),
});
export type VectorOperationsReply = z.infer<typeof vectorOperationsReplySchema>;

/**
 * Goes back to a stored iteration and begins a session: rounds of others are refused from then on. `iteration` null only asks what there is; -1 is the job's
 * beginning. Subject `subjects.restoreVectors(instance)`.
 */
export const restoreVectorsRequestSchema = z.strictObject({
  type: z.literal('restoreVectors'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  ownership: z.int().min(0),
  session: z.string(),
  iteration: z.int().min(-1).nullable(),
});
export type RestoreVectorsRequest = z.infer<typeof restoreVectorsRequestSchema>;
export const restoreVectorsReplySchema = z.strictObject({
  type: z.literal('vectorsRestored'),
  v: z.literal(1),
  shard: z.int().min(0),
  iteration: z.int().min(-1).describe('Restored, or newest that is stored; -1: none, the job is at its beginning'),
  state: z.string().nullable(),
  version: z.int().min(0).describe('No point of a later session may have this version or a lower one'),
});
export type RestoreVectorsReply = z.infer<typeof restoreVectorsReplySchema>;

const portionKey = z.strictObject({ epoch: z.int().min(0), chunk: z.int().min(0) });
/**
 * A worker tells the coordinator what it has finished, or will not, and asks for a portion of a sandblaster job. Subject `subjects.portion(jobId)`; answered by
 * whoever coordinates the job.
 */
export const portionRequestSchema = z.strictObject({
  type: z.literal('portion'),
  v: z.literal(1),
  jobId: z.string(),
  worker: z.string(),
  waitMs: z.int().min(0).nullable().describe('Answered without one after so long; null: none is wanted'),
  finished: z.array(portionKey).max(100),
  returned: z.array(portionKey).max(100),
  holding: z
    .array(portionKey)
    .max(100)
    .optional()
    .describe(
      'With a wish for one: all that the worker has in hand. What it was given besides never came to it, and is given out again',
    ),
});
export type PortionRequest = z.infer<typeof portionRequestSchema>;
export const portionReplySchema = z.strictObject({
  type: z.literal('portion'),
  v: z.literal(1),
  task: chunkTaskSchema.nullable(),
  delivery: z.int().min(0),
});
export type PortionReply = z.infer<typeof portionReplySchema>;
