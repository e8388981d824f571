import type { Segment } from '@downpour/contracts';
import type { Topology } from '../topology/topology.ts';
import { layerGraph } from './layer-graph.ts';

/** Partition of each layer, by name. InputLayers have none: whoever reads the features has them. */
export type Assignment = Readonly<Record<string, number>>;

interface GrowingSegment extends Segment {
  layers: string[];
  inputs: string[];
  outputs: string[];
}

/**
 * The segments of a model that is cut so: (partition, level), where a layer's level is one more than that of any layer that it reads from another
 * partition. Edges stay in a segment or go to a higher level, so segments never wait for each other in a circle, whatever the cut.
 */
export function segmentsOf(topology: Topology, assignment: Assignment): Segment[] {
  const graph = layerGraph(topology);
  const levels = new Map<string, number>();
  const partitionOf = (layer: string) => {
    const partition = assignment[layer];
    if (partition === undefined) throw new Error(`Layer ${layer} is in no partition`);
    return partition;
  };
  const keys = new Map<string, string>();
  const segments = new Map<string, GrowingSegment>();
  for (const { node, inputs } of graph.layers) {
    const { name } = node.config;
    const partition = partitionOf(name);
    const sources = inputs.filter((source) => source !== graph.input);
    const level = sources.reduce(
      (most, source) => Math.max(most, levels.get(source)! + (partitionOf(source) === partition ? 0 : 1)),
      0,
    );
    levels.set(name, level);
    const key = `${level} ${partition}`;
    keys.set(name, key);
    const segment = segments.get(key) ?? empty(partition, level);
    segments.set(key, segment);
    segment.layers.push(name);
    segment.readsFeatures ||= inputs.includes(graph.input);
    segment.holdsLoss ||= graph.outputs.includes(name);
    for (const source of sources) {
      if (keys.get(source) === key) continue;
      add(segment.inputs, source);
      add(segments.get(keys.get(source)!)!.outputs, source);
    }
  }
  const ordered = [...segments.values()].sort((a, b) => a.level - b.level || a.partition - b.partition);
  ordered.forEach((segment, index) => {
    segment.index = index;
    segment.inputs.sort();
    segment.outputs.sort();
  });
  return ordered;
}

function empty(partition: number, level: number): GrowingSegment {
  return { index: 0, partition, level, layers: [], inputs: [], outputs: [], readsFeatures: false, holdsLoss: false };
}

function add(list: string[], name: string): void {
  if (!list.includes(name)) list.push(name);
}
