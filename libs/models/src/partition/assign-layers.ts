import { partitionOfDevice, type CutNode, type PartitionsSpec } from '@downpour/contracts';
import { invalidModel } from '../topology/invalid-model.ts';
import { automaticCut } from './automatic-cut.ts';
import { matches, nothingMatches } from './layer-patterns.ts';
import type { Assignment } from './segments.ts';

/** A layer as it is before it has a partition. */
export type UncutNode = Omit<CutNode, 'partition'>;

/**
 * Partition of each layer: as the user's devices say, the others by the automatic cut. `nodes` in topological order.
 * @throws DownpourError invalid-model for devices that name no layer or no partition, and for a partition that is left without parameters
 */
export function assignLayers(nodes: readonly UncutNode[], spec: PartitionsSpec): Assignment {
  const { count } = spec;
  const weighted = nodes.filter(({ parameters }) => parameters > 0).length;
  if (count > weighted)
    throw invalidModel(
      'partitions.count',
      `The model has ${nodes.length} layers, ${weighted} of them with parameters, too few for ${count} partitions. Ask for ${weighted} at most, or split wide layers.`,
    );
  const pinned = pinnedLayers(
    nodes.map(({ layer }) => layer),
    spec,
  );
  const assignment = automaticCut(nodes, count, pinned);
  for (let partition = 0; partition < count; partition++) {
    const own = nodes.filter(({ layer }) => assignment[layer] === partition);
    if (own.some(({ parameters }) => parameters > 0)) continue;
    const what = own.length === 0 ? 'without layers' : 'without parameters';
    throw invalidModel(
      'partitions.devices',
      `Partition ${partition} is left ${what}. Name fewer layers, or fewer partitions in partitions.count.`,
    );
  }
  return assignment;
}

/** Partitions that the user's devices name, by layer. */
export function pinnedLayers(layers: readonly string[], { count, devices = {} }: PartitionsSpec): Map<string, number> {
  const pinned = new Map<string, number>();
  for (const [pattern, device] of Object.entries(devices)) {
    const field = `partitions.devices.${pattern}`;
    const partition = typeof device === 'number' ? device : partitionOfDevice(device);
    if (!(partition < count))
      throw invalidModel(
        field,
        `There is no device ${JSON.stringify(device)}: the partitions are 0 to ${count - 1}, as partitions.count says.`,
      );
    const fitting = layers.filter((layer) => matches(pattern, layer));
    if (fitting.length === 0) throw nothingMatches(field, pattern, layers);
    // The first that matches counts.
    for (const layer of fitting) if (!pinned.has(layer)) pinned.set(layer, partition);
  }
  return pinned;
}
