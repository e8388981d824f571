import { z } from 'zod';

/** Why a checkpoint was taken: asked for, due by `checkpointEvery`, at a pause, at the end of the job. */
export const checkpointReasonSchema = z.enum(['requested', 'interval', 'pause', 'end']);
export type CheckpointReason = z.infer<typeof checkpointReasonSchema>;

/** A checkpoint as the job's record and the API show it; its manifest says more. */
export const checkpointSummarySchema = z
  .strictObject({
    number: z.int().min(1),
    state: z.enum(['pending', 'complete', 'failed']),
    why: checkpointReasonSchema,
    reason: z.string().nullable().describe('Why it failed'),
    at: z.string().describe('When it was asked for; once it is complete, when it was taken'),
    epoch: z.number().describe("Epochs applied in it, fractions included: the slowest shard's"),
    exact: z
      .boolean()
      .describe(
        'Every shard had applied the same pushes. While a job trains each has its own version: the manifest names it',
      ),
    bytes: z.int().min(0),
    digest: z.string().nullable().describe('SHA-256 of model.safetensors, hexadecimal'),
  })
  .meta({ id: 'Checkpoint' });
export type CheckpointSummary = z.infer<typeof checkpointSummarySchema>;

/** Another job's checkpoint, to begin from. */
export const checkpointSourceSchema = z
  .strictObject({
    job: z.string().min(1).max(64),
    checkpoint: z.int().min(1).optional().describe('Its number. Default: the newest'),
  })
  .meta({ id: 'CheckpointSource' });
export type CheckpointSource = z.infer<typeof checkpointSourceSchema>;

/** Where a job that was begun from a checkpoint has begun. */
export const jobOriginSchema = z
  .strictObject({
    kind: z.enum(['resume', 'warmStart']),
    job: z.string(),
    checkpoint: z.int().min(1),
    epoch: z.int().min(0).describe('Epochs before this one are not trained again'),
    examples: z.int().min(0).describe('Examples that count as applied from the beginning'),
    updateRuleState: z
      .enum(['kept', 'fresh'])
      .describe('Whether what the update rule remembers was taken over: it is when the rule is of the same kind'),
    learningRateFactor: z.number().min(0).optional().describe('Where reduceOnPlateau goes on. Absent: 1'),
  })
  .meta({ id: 'JobOrigin' });
export type JobOrigin = z.infer<typeof jobOriginSchema>;
