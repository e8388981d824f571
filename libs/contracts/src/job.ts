import { z } from 'zod';
import { checkpointSummarySchema, jobOriginSchema } from './checkpoint.ts';
import { jobSpecSchema } from './job-spec.ts';
import { strategySchema } from './strategy.ts';

/** queued -> preparing -> training -> finishing -> succeeded; paused by way of pausing, and back to queued; failed and cancelled from anywhere (libs/jobs/src/job-state.ts). */
export const jobStateSchema = z
  .enum(['queued', 'preparing', 'training', 'pausing', 'paused', 'finishing', 'succeeded', 'failed', 'cancelled'])
  .meta({ id: 'JobState' });
export type JobState = z.infer<typeof jobStateSchema>;

/** A push that a shard dropped because a value of its gradient was NaN or infinite. */
export const badPushSchema = z
  .strictObject({ epoch: z.int().min(0), chunk: z.int().min(0), push: z.int().min(0), worker: z.string() })
  .meta({ id: 'BadPush' });
export type BadPush = z.infer<typeof badPushSchema>;

/** One shard's account of the pushes of a job. How it adds up: account.ts. */
export const shardLedgerSchema = z
  .strictObject({
    shard: z.int().min(0),
    instance: z.string().nullable(),
    expected: z.int().min(0).describe('Pushes that the plan has for each shard'),
    applied: z.int().min(0).describe('Pushes whose gradient has changed the parameters, each once'),
    duplicatesDropped: z.int().min(0).describe('Deliveries of a push that was settled already; not part of the sum'),
    lateDropped: z
      .int()
      .min(0)
      .describe('Deliveries that came too late for the strategy: dropped, and trained again; not part of the sum'),
    badDropped: z.int().min(0).default(0).describe('Pushes dropped for NaN or infinity (onBadGradient: skip)'),
    refused: z.int().min(0).default(0).describe('Records that are no push of this shard; not part of the sum'),
    examplesApplied: z.int().min(0),
    examplesDropped: z.int().min(0).default(0).describe('Examples of the pushes that were dropped as bad'),
    badPushes: z.array(badPushSchema).max(8).default([]).describe('The newest of those dropped for NaN or infinity'),
  })
  .meta({ id: 'ShardLedger' });
export type ShardLedger = z.infer<typeof shardLedgerSchema>;

export const evaluationSchema = z
  .strictObject({
    loss: z.number(),
    accuracy: z.number().nullable().describe('Share of right answers, 0 to 1; null for regression'),
    metrics: z.record(z.string(), z.number()).default({}).describe("The others of the job's metrics, by name"),
    examples: z.int(),
    epoch: z
      .number()
      .describe('Epochs that it was due at; its parameters are those of when it was made, which may be a little later'),
    at: z.string(),
  })
  .meta({ id: 'Evaluation' });
export type Evaluation = z.infer<typeof evaluationSchema>;

export const jobProgressSchema = z
  .strictObject({
    epochsDone: z.number().describe("Epochs applied so far, fractions included: the slowest shard's"),
    examplesApplied: z.int(),
    examplesPerSecond: z.number(),
    loss: z.number().nullable().describe('Mean training loss lately'),
    accuracy: z.number().nullable().describe('Mean training accuracy lately'),
    staleness: z.number().nullable().describe('Mean staleness of recent pushes'),
    workers: z.int().describe('Workers heard from lately'),
  })
  .meta({ id: 'JobProgress' });
export type JobProgress = z.infer<typeof jobProgressSchema>;

/** How far earlyStopping has come (libs/jobs/src/early-stopping.ts). */
export const patienceSchema = z.strictObject({
  best: z.number().nullable().describe('Best value of its metric so far'),
  waited: z.int().min(0).describe('Evaluations since'),
});
export type Patience = z.infer<typeof patienceSchema>;

/** How far reduceOnPlateau has come (libs/jobs/src/plateau.ts); it begins to wait anew after a reduction. */
export const plateauSchema = patienceSchema.extend({
  factor: z.number().positive().describe('What the learning rate is multiplied by'),
});
export type Plateau = z.infer<typeof plateauSchema>;

/** What the coordinator has already handed out, so that the one that replaces it goes on from there. Never shown by the API. */
export const coordinationSchema = z.strictObject({
  epochsEnqueued: z.int().min(0),
  evaluationsRequested: z.int().min(0).describe('Number of the last evaluation asked for: at n * evaluateEvery epochs'),
  eventSequence: z.int().min(0).describe("Last position in the job's events that this record reflects"),
  announced: z.string().nullable().describe('State and reason of the last state event'),
  trainedAt: z.string().nullable().describe('When the last push was applied, or training was stopped'),
  pausedAt: z.string().nullable().default(null).describe('When it was asked to pause, until it trains again'),
  pausedMs: z.number().min(0).default(0).describe('Time of earlier pauses, which does not count as training'),
  checkpointsDue: z
    .int()
    .min(0)
    .default(0)
    .describe('Number of the last checkpoint by time asked for: at n * checkpointEvery epochs'),
  plateau: plateauSchema.nullable().default(null),
  earlyStopping: patienceSchema.nullable().default(null),
  cleaned: z.boolean().describe('Plan, streams and snapshots of the ended job are gone'),
});
export type Coordination = z.infer<typeof coordinationSchema>;

export const jobRecordSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    state: jobStateSchema,
    reason: z.string().nullable().describe('Why it failed; or what it waits for'),
    spec: jobSpecSchema,
    strategy: strategySchema
      .nullable()
      .default(null)
      .describe('What it was switched to in mid-job; null: as its spec says'),
    createdAt: z.string(),
    startedAt: z.string().nullable().describe('When training began'),
    finishedAt: z.string().nullable(),
    parameters: z.int().nullable().describe('Number of parameters of the model'),
    progress: jobProgressSchema.nullable(),
    evaluations: z.array(evaluationSchema).describe('Newest last; at most the last 1,000'),
    ledger: z.array(shardLedgerSchema),
    checkpoints: z.array(checkpointSummarySchema).default([]).describe('Newest last'),
    origin: jobOriginSchema.nullable().default(null).describe('The checkpoint it was begun from'),
    result: z
      .strictObject({
        loss: z.number(),
        accuracy: z.number().nullable(),
        metrics: z.record(z.string(), z.number()).default({}),
        trainingMs: z.number(),
        examplesPerSecond: z.number(),
        stoppedEarly: z.boolean(),
      })
      .nullable(),
    coordination: coordinationSchema.optional(),
  })
  .meta({ id: 'Job' });
export type JobRecord = z.infer<typeof jobRecordSchema>;
export const TERMINAL_STATES: readonly JobState[] = ['succeeded', 'failed', 'cancelled'];
