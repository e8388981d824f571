import { z } from 'zod';

const count = z.int().min(1).max(256);

/** How variables are cut before they are placed, along their first axis: TensorFlow's partitioners (python/ops/partitioned_variables.py). */
export const partitionerSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('fixedShards'),
      shards: count.describe('Pieces of each variable, as far as it has rows'),
    }),
    z.strictObject({
      kind: z.literal('minSize'),
      maxPartitions: count.describe('At most so many pieces of each variable'),
      minSliceBytes: z
        .int()
        .min(1)
        .default(256 * 2 ** 10)
        .describe('Pieces get no smaller than this'),
    }),
    z.strictObject({
      kind: z.literal('maxSize'),
      maxShardBytes: z.int().min(1).describe('Pieces get no larger than this, as far as a row allows'),
      maxShards: count.optional(),
    }),
  ])
  .meta({ id: 'Partitioner' });
export type Partitioner = z.infer<typeof partitionerSchema>;

export const placementPolicySchema = z.enum(['even', 'roundRobin', 'greedy', 'byteBalanced', 'split']);

/** How variables are laid on shards (libs/parameters/src/placement, one file each). */
export const placementSchema = z
  .union([
    placementPolicySchema,
    z
      .strictObject({ policy: placementPolicySchema, partitioner: partitionerSchema.optional() })
      .refine(({ policy, partitioner }) => partitioner === undefined || (policy !== 'even' && policy !== 'split'), {
        path: ['partitioner'],
        message: 'even cuts the whole vector as it needs: a partitioner goes with roundRobin, greedy or byteBalanced',
      }),
  ])
  .meta({ id: 'Placement' });
export type Placement = z.infer<typeof placementSchema>;
