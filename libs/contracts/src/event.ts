import { z } from 'zod';
import { checkpointSummarySchema } from './checkpoint.ts';
import { evaluationSchema, jobStateSchema, shardLedgerSchema } from './job.ts';

const at = z.iso.datetime().describe('ISO 8601');
/** What happens in a job, as a stream: GET /v1/jobs/:id/events. Cumulative counters, so a lost one costs nothing. */
export const jobEventSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('state'), at, state: jobStateSchema, reason: z.string().nullable() }),
    z.strictObject({
      type: z.literal('worker'),
      at,
      instance: z.string(),
      examples: z.int().describe('Examples this worker has trained for the job'),
      examplesPerSecond: z.number(),
      steps: z.int(),
      loss: z.number().describe('Mean over the chunk'),
      accuracy: z.number().nullable(),
      epoch: z.int(),
      chunk: z.int(),
    }),
    z.strictObject({
      type: z.literal('shard'),
      at,
      shard: z.int(),
      instance: z.string(),
      ownership: z.int(),
      version: z.int(),
      controlRevision: z.int().describe("Of the plan's control, the newest that its log has brought"),
      state: z.enum(['loading', 'serving', 'failed']),
      reason: z.string().nullable(),
      ledger: shardLedgerSchema,
      complete: z.boolean().describe('Every expected push is applied, or dropped for NaN or infinity'),
      stalenessMean: z.number(),
      stalenessMax: z.int(),
      bytes: z.int(),
      bytesIn: z.int(),
      bytesOut: z.int(),
      epochsApplied: z.array(z.int()).describe('Pushes settled of each epoch still open: [epoch, settled, ...]'),
    }),
    z.strictObject({
      type: z.literal('evaluation'),
      at,
      evaluation: evaluationSchema,
      final: z.boolean(),
      instance: z.string(),
    }),
    z
      .strictObject({
        type: z.literal('iteration'),
        at,
        iteration: z.int(),
        evaluations: z.int().describe('Of the whole training set so far, line searches included'),
        loss: z.number().describe("Mean over the whole training set, the model's regularisers included"),
        gradientNorm: z.number(),
        stopped: z.string().nullable().describe('Why it is the last one'),
      })
      .describe('Strategy sandblaster: one was accepted'),
    z.strictObject({
      type: z.literal('checkpoint'),
      at,
      checkpoint: checkpointSummarySchema.describe('It is complete now, or has failed'),
    }),
    z.strictObject({
      type: z.literal('member'),
      at,
      instance: z.string(),
      role: z.string(),
      change: z.enum(['joined', 'left']),
    }),
    z.strictObject({
      type: z.literal('problem'),
      at,
      instance: z.string(),
      code: z.string(),
      message: z.string(),
      fatal: z.boolean().describe('The job cannot go on: the coordinator fails it with this message'),
      chunk: z.strictObject({ epoch: z.int(), chunk: z.int() }).nullable(),
    }),
  ])
  .meta({ id: 'JobEvent' });
export type JobEvent = z.infer<typeof jobEventSchema>;
export type ShardEvent = Extract<JobEvent, { type: 'shard' }>;
export type WorkerEvent = Extract<JobEvent, { type: 'worker' }>;
