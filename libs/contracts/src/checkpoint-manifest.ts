import { z } from 'zod';
import { checkpointReasonSchema } from './checkpoint.ts';
import { datasetSummarySchema } from './dataset.ts';
import { jobSpecSchema } from './job-spec.ts';
import { badPushSchema } from './job.ts';
import { chunkPlanSchema, keyRangeSchema, parameterLayoutSchema } from './layout.ts';

const runSchema = z.tuple([z.int().min(0), z.int().min(0)]).describe('[begin, end)');

/** Which pushes a shard has applied, as JSON: libs/parameters' LedgerState with bitmaps in base64. */
export const checkpointLedgerSchema = z.strictObject({
  closed: z.array(runSchema).describe('Epochs of which every push is settled'),
  open: z
    .array(
      z.strictObject({
        epoch: z.int().min(0),
        full: z.array(runSchema).describe('Pages of 2,048 pushes of which every one is settled'),
        open: z
          .array(z.strictObject({ page: z.int().min(0), bits: z.base64() }))
          .describe('One bit for each push of a page, in order of chunks'),
      }),
    )
    .describe('Epochs under way'),
  duplicatesDropped: z.int().min(0),
  lateDropped: z.int().min(0),
  badDropped: z.int().min(0),
  examplesApplied: z.int().min(0),
  examplesDropped: z.int().min(0),
  badPushes: z.array(badPushSchema),
});
export type CheckpointLedger = z.infer<typeof checkpointLedgerSchema>;

/** What one shard held when its part was copied. */
export const checkpointShardSchema = z.strictObject({
  shard: z.int().min(0),
  ranges: z.array(keyRangeSchema),
  version: z.int().min(0).describe('Pushes applied: each shard has its own clock'),
  ledger: checkpointLedgerSchema,
});
export type CheckpointShard = z.infer<typeof checkpointShardSchema>;

/** manifest.json of a checkpoint: all that must be known to go on from model.safetensors. Written last: without it there is no checkpoint. */
export const checkpointManifestSchema = z
  .strictObject({
    format: z.literal('downpour-checkpoint'),
    v: z.literal(1),
    job: z.string(),
    checkpoint: z.int().min(1),
    why: checkpointReasonSchema,
    at: z.string(),
    epoch: z.number().describe("Epochs applied, fractions included: the slowest shard's"),
    step: z.int().min(0).describe("Pushes applied: the slowest shard's version"),
    exact: z
      .boolean()
      .describe(
        'true: every shard had applied the same pushes, the file is one state of the job. false: the job was training, and each shard was copied at a ' +
          'version of its own (`shards[].version`), which is all the order that asynchronous training has',
      ),
    file: z.strictObject({
      name: z.literal('model.safetensors'),
      bytes: z.int().min(0),
      sha256: z.string().describe('Hexadecimal'),
    }),
    spec: jobSpecSchema,
    dataset: z.strictObject({ id: z.string(), summary: datasetSummarySchema }),
    topology: z.record(z.string(), z.unknown()),
    layout: parameterLayoutSchema,
    chunks: chunkPlanSchema,
    slots: z
      .array(z.string())
      .describe('What the update rule remembers of each trainable value; tensors `update-rule/<slot>/<variable>`'),
    learningRateFactor: z.number().min(0).optional().describe('What reduceOnPlateau had come to. Absent: 1'),
    shards: z.array(checkpointShardSchema),
  })
  .meta({ id: 'CheckpointManifest' });
export type CheckpointManifest = z.infer<typeof checkpointManifestSchema>;
