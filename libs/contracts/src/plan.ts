import { z } from 'zod';
import { jobOriginSchema } from './checkpoint.ts';
import { datasetSummarySchema } from './dataset.ts';
import { initialControl, shardControlSchema } from './control.ts';
import type { ShardControl } from './control.ts';
import { jobSpecSchema } from './job-spec.ts';
import { chunkPlanSchema, keyRangeSchema, parameterLayoutSchema } from './layout.ts';
import { groupsSchema, modelCutSchema, partitionLayout, rangesInPartition } from './partitions.ts';

/** Who owns a shard. `ownership` grows by one with each new owner and fences the ones before (never reused). */
export const shardPlacementSchema = z.strictObject({
  shard: z.int().min(0),
  ranges: z.array(keyRangeSchema).describe("Sorted, disjoint; a shard's own vector is their concatenation"),
  instance: z.string().nullable().describe('Parameter-shard process that owns it; null while nobody does'),
  ownership: z.int().min(0),
  partition: z.int().min(0).optional().describe('Of a model that is cut: whose variables it holds'),
  previous: z
    .strictObject({ instance: z.string(), ownership: z.int().min(0) })
    .optional()
    .describe(
      'Owner before, which is alive and hands over: it answers pulls until the new one does, and does nothing else',
    ),
});
export type ShardPlacement = z.infer<typeof shardPlacementSchema>;

/** A checkpoint that a job begins from, as shards and sharders need to know it. */
export const planOriginSchema = jobOriginSchema.extend({
  done: z
    .array(z.strictObject({ epoch: z.int().min(0), chunks: z.base64() }))
    .describe('Of epochs that the checkpoint has in part: one bit for each chunk that need not be trained again'),
});
export type PlanOrigin = z.infer<typeof planOriginSchema>;

/**
 * All that shards, workers and sharders need to serve a running job: one KV record, written by the coordinator alone.
 * Processes watch the bucket and make what they do follow it; a deleted record means: let go of this job.
 */
export const jobPlanSchema = z.strictObject({
  v: z.literal(1),
  jobId: z.string(),
  spec: jobSpecSchema,
  dataset: z.strictObject({ id: z.string(), summary: datasetSummarySchema }),
  topology: z.record(z.string(), z.unknown()).describe('Canonical tfjs topology of the model'),
  layout: parameterLayoutSchema,
  chunks: chunkPlanSchema,
  shards: z.array(shardPlacementSchema),
  warmstartWorker: z
    .string()
    .nullable()
    .describe('While set, only this worker takes chunks of the job (paper, section 4.1)'),
  phase: z
    .enum(['training', 'pausing', 'paused', 'finishing'])
    .describe(
      'finishing: no more chunks; the last evaluation and the export go on. pausing: no more chunks, those in hand are finished. ' +
        'paused: workers and shards let go of the job; shards store what they hold first',
    ),
  origin: planOriginSchema.optional(),
  control: shardControlSchema
    .optional()
    .describe(
      'How pushes are folded at present, and the strategy that workers follow. Absent: as its spec begins (control.ts)',
    ),
  cut: modelCutSchema.optional().describe('Of a model whose replicas are groups of workers'),
  groups: groupsSchema.optional().describe('Those who train at present, where the model is cut'),
  workers: z
    .array(z.string())
    .optional()
    .describe('Alive at present: kept for strategies whose workers wait for each other, absent for others'),
});
export type JobPlan = z.infer<typeof jobPlanSchema>;

export const controlOf = (plan: Pick<JobPlan, 'control' | 'spec'>): ShardControl =>
  plan.control ?? initialControl(plan.spec.strategy);

/** The plan as somebody sees it who reads one shard: its own vector is all there is. */
export function shardView(plan: JobPlan, shard: number): JobPlan {
  const { ranges } = plan.shards.find((placement) => placement.shard === shard)!;
  const lengthBelow = (limit: number) =>
    ranges.reduce((sum, { begin, end }) => sum + Math.max(0, Math.min(end, limit) - begin), 0);
  const length = lengthBelow(Infinity);
  return {
    ...plan,
    layout: { length, trainableLength: lengthBelow(plan.layout.trainableLength), variables: [] },
    shards: plan.shards.map((placement) => ({
      ...placement,
      ranges: placement.shard === shard ? [{ begin: 0, end: length }] : [],
    })),
  };
}

/**
 * The plan as the member of a group sees it that holds one partition: the layout of its own vector, and shards with ranges in that. Shards of other partitions keep their number
 * and have no ranges.
 */
export function partitionView(plan: JobPlan, partition: number): JobPlan {
  const { cut, layout, shards } = plan;
  if (cut === undefined) throw new Error(`The model of job ${plan.jobId} is not cut`);
  return {
    ...plan,
    layout: partitionLayout(layout, cut, partition),
    shards: shards.map((shard) => ({
      ...shard,
      ranges: shard.partition === partition ? rangesInPartition(shard.ranges, layout, cut, partition) : [],
    })),
  };
}
