import type { PartitionsSpec } from '@downpour/contracts';
import type { Topology } from '../topology/topology.ts';
import { pinnedLayers } from './assign-layers.ts';
import { layerNames } from './layer-graph.ts';
import { splitLayers } from './split-layers.ts';

/**
 * The topology with its wide layers split, when what a job says of its partitions fits the model as far as can be told without building it: shared layers, devices and
 * splits that name no layer or no partition. Loads no TensorFlow.
 * @throws DownpourError invalid-model
 */
export function partitionedTopology(topology: Topology, spec: PartitionsSpec | undefined): Topology {
  if (!spec) return topology;
  const parts = splitLayers(topology, spec.split);
  pinnedLayers(layerNames(parts), spec);
  return parts;
}
