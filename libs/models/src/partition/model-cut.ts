import type { ModelCut, ParameterLayout, PartitionsSpec } from '@downpour/contracts';
import type { Topology } from '../topology/topology.ts';
import { assignLayers, type UncutNode } from './assign-layers.ts';
import { layerGraph } from './layer-graph.ts';
import { layersOfVariables, variablePartitions } from './variable-partitions.ts';

/** What was found out about each layer, by its name. */
export interface LayerFacts {
  /** Shape of one example at its output. */
  shapes: Readonly<Record<string, readonly number[]>>;
  /** Forward and backward of 64 examples. */
  costsMs: Readonly<Record<string, number>>;
}

/**
 * The cut of a model as a job's spec asks for it.
 * @throws DownpourError invalid-model
 */
export function modelCut(
  topology: Topology,
  layout: ParameterLayout,
  spec: PartitionsSpec,
  { shapes, costsMs }: LayerFacts,
): ModelCut {
  const { layers } = layerGraph(topology);
  const names = layers.map(({ node }) => node.config.name);
  const parameters = new Map<string, number>();
  const owners = layersOfVariables(layout, names);
  layout.variables.forEach(({ length }, i) => parameters.set(owners[i]!, (parameters.get(owners[i]!) ?? 0) + length));
  const nodes = layers.map(({ node, inputs }): UncutNode => {
    const layer = node.config.name;
    return {
      layer,
      className: node.class_name,
      inputs: [...inputs],
      parameters: parameters.get(layer) ?? 0,
      costMs: costsMs[layer] ?? 0,
      outputBytes: 4 * shapes[layer]!.reduce((size, n) => size * n, 1),
    };
  });
  const assignment = assignLayers(nodes, spec);
  return {
    partitions: spec.count,
    nodes: nodes.map((node) => ({ ...node, partition: assignment[node.layer]! })),
    variables: variablePartitions(layout, assignment),
  };
}
