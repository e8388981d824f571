import { z } from 'zod';
import { parseDevice } from './device.ts';
import { DownpourError } from './errors.ts';
import type { KeyRange, ParameterLayout } from './layout.ts';

/** Members that a group may have. */
export const MAX_PARTITIONS = 64;

const partitionIndex = z
  .int()
  .min(0)
  .max(MAX_PARTITIONS - 1);

/**
 * The partition that a device string names: `/job:worker/task:2` or `/task:2`, read as TensorFlow reads it, or `partition:2`.
 * @throws DownpourError invalid-request when it names none
 */
export function partitionOfDevice(text: string): number {
  const { job = 'worker', task } = parseDevice(text.replace(/^partition:/, '/task:'));
  if (job === 'worker' && task !== undefined) return task;
  throw new DownpourError('invalid-request', `"${text}" is no partition: write 1, partition:1 or /job:worker/task:1`, {
    field: 'device',
  });
}

const partitionDevice = z.string().superRefine((text, context) => {
  try {
    partitionOfDevice(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as DownpourError).message });
  }
});

/** Model parallelism: a replica is a group of workers, each of which holds one partition of the model (Dean et al. 2012, section 3). */
export const partitionsSpecSchema = z
  .strictObject({
    count: z.int().min(2).max(MAX_PARTITIONS).describe('Partitions of the model: so many workers make one replica'),
    devices: z
      .record(z.string().min(1), z.union([partitionIndex, partitionDevice]))
      .optional()
      .describe(
        'Partition of a layer, by its name or a pattern with * (the first that matches counts): a number, "partition:1" or "/job:worker/task:1". Layers that none names are cut ' +
          'automatically: few bytes between partitions, measured costs balanced',
      ),
    split: z
      .record(z.string().min(1), z.int().min(2).max(MAX_PARTITIONS))
      .optional()
      .describe(
        'Wide Dense and Conv2D layers, by name or pattern, that are cut into so many parts by units or filters',
      ),
    microBatches: z
      .int()
      .min(1)
      .max(1024)
      .default(4)
      .describe(
        'Parts of a batch that follow each other through the partitions, so that these work at the same time. Batch normalisation sees one part at a time',
      ),
  })
  .meta({ id: 'Partitions' });
export type PartitionsSpec = z.infer<typeof partitionsSpecSchema>;

/** A layer of a model that is cut; layers of input belong to no partition. */
export const cutNodeSchema = z
  .strictObject({
    layer: z.string(),
    className: z.string(),
    partition: partitionIndex,
    inputs: z.array(z.string()).describe('Layers whose outputs it reads'),
    parameters: z.int().min(0),
    costMs: z.number().min(0).describe('Forward and backward of 64 examples, measured when the job was prepared'),
    outputBytes: z.int().min(0).describe('Of its output, for one example'),
  })
  .meta({ id: 'CutNode' });
export type CutNode = z.infer<typeof cutNodeSchema>;

/** Which partition holds what. */
export const modelCutSchema = z
  .strictObject({
    partitions: z.int().min(2).max(MAX_PARTITIONS),
    nodes: z.array(cutNodeSchema).describe('In an order in which each layer comes after those that it reads'),
    variables: z.array(partitionIndex).describe('Partition of each variable of the layout'),
  })
  .meta({ id: 'ModelCut' });
export type ModelCut = z.infer<typeof modelCutSchema>;

/** What the cut of a job's model comes to: GET /v1/jobs/:id/graph. */
export const modelGraphSchema = z
  .strictObject({
    partitions: z.array(
      z.strictObject({
        partition: partitionIndex,
        layers: z.int().min(0),
        parameters: z.int().min(0),
        costMs: z.number().min(0).describe('Forward and backward of 64 examples'),
      }),
    ),
    nodes: modelCutSchema.shape.nodes,
    edges: z
      .array(
        z.strictObject({
          layer: z.string().describe('Its output crosses'),
          from: partitionIndex,
          to: partitionIndex,
          bytes: z.int().min(0).describe('For one example, there; as many come back as its gradient'),
        }),
      )
      .describe('Each tensor crosses once to each partition that reads it'),
  })
  .meta({ id: 'ModelGraph' });
export type ModelGraph = z.infer<typeof modelGraphSchema>;

export function graphOf({ partitions, nodes }: ModelCut): ModelGraph {
  const of = new Map(nodes.map(({ layer, partition }) => [layer, partition]));
  const edges = nodes.flatMap(({ layer, partition: from, outputBytes: bytes }) => {
    const readers = nodes.filter(({ inputs }) => inputs.includes(layer)).map((node) => of.get(node.layer)!);
    return [...new Set(readers)].filter((to) => to !== from).map((to) => ({ layer, from, to, bytes }));
  });
  return {
    partitions: Array.from({ length: partitions }, (_, partition) => {
      const own = nodes.filter((node) => node.partition === partition);
      const sum = (value: (node: CutNode) => number) => own.reduce((total, node) => total + value(node), 0);
      return {
        partition,
        layers: own.length,
        parameters: sum((node) => node.parameters),
        costMs: sum((node) => node.costMs),
      };
    }),
    nodes,
    edges,
  };
}

/** Workers that are one replica together, by partition. The first leads: it takes the chunks. `generation` grows with each change of members and fences the ones before. */
export const groupSchema = z.strictObject({
  group: z.int().min(0),
  generation: z.int().min(1),
  members: z.array(z.string()).min(2),
});
export type Group = z.infer<typeof groupSchema>;

export const groupsSchema = z.strictObject({
  newest: z.int().min(0).describe('Newest generation given out, be it of a group that is no more'),
  formed: z.array(groupSchema),
});
export type Groups = z.infer<typeof groupsSchema>;

/** Layout of one partition's own vector: its variables in the order of the whole, trainable ones first. */
export function partitionLayout(
  layout: ParameterLayout,
  cut: Pick<ModelCut, 'variables'>,
  partition: number,
): ParameterLayout {
  let length = 0;
  let trainableLength = 0;
  const variables = layout.variables
    .filter((_, i) => cut.variables[i] === partition)
    .map((variable) => {
      const placed = { ...variable, offset: length };
      length += variable.length;
      if (variable.trainable) trainableLength += variable.length;
      return placed;
    });
  return { length, trainableLength, variables };
}

/** Where each variable of a partition begins in the whole vector and in the partition's own. */
function placesOf(layout: ParameterLayout, cut: Pick<ModelCut, 'variables'>, partition: number) {
  const own = layout.variables.filter((_, i) => cut.variables[i] === partition);
  const { variables } = partitionLayout(layout, cut, partition);
  return variables.map(({ offset, length }, i) => ({ whole: own[i]!.offset, part: offset, length }));
}

/** Ranges of the whole vector, all of one partition's variables, as ranges of its own vector. */
export function rangesInPartition(
  ranges: readonly KeyRange[],
  layout: ParameterLayout,
  cut: Pick<ModelCut, 'variables'>,
  partition: number,
): KeyRange[] {
  const places = placesOf(layout, cut, partition);
  return ranges.map(({ begin, end }) => {
    // Variables that follow each other in the whole do so in the part.
    const { whole, part } = places.find((place) => begin >= place.whole && begin < place.whole + place.length)!;
    return { begin: begin - whole + part, end: end - whole + part };
  });
}

/** The other way: what of the whole vector a range of the partition's own is; cut where other partitions' variables lie between. */
export function rangesInWhole(
  ranges: readonly KeyRange[],
  layout: ParameterLayout,
  cut: Pick<ModelCut, 'variables'>,
  partition: number,
): KeyRange[] {
  const places = placesOf(layout, cut, partition);
  return ranges.flatMap(({ begin, end }) =>
    places.flatMap(({ whole, part, length }) => {
      const [first, last] = [Math.max(begin, part), Math.min(end, part + length)];
      return first < last ? [{ begin: first - part + whole, end: last - part + whole }] : [];
    }),
  );
}
