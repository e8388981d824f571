import { functionalOf } from '../topology/functional.ts';
import { invalidModel } from '../topology/invalid-model.ts';
import type { LayerNode, Topology } from '../topology/topology.ts';

export interface GraphLayer {
  node: LayerNode;
  /** Layers whose outputs it reads, each once, in the order in which it reads them. */
  inputs: readonly string[];
}

/** What a model computes, layer by layer. */
export interface LayerGraph {
  /** Without the InputLayer; each layer after those that it reads. Only what an output depends on. */
  layers: readonly GraphLayer[];
  /** The InputLayer. */
  input: string;
  /** Layers whose outputs are the model's. */
  outputs: readonly string[];
}

const FIELD = 'model.topology';

/**
 * @throws DownpourError invalid-model for a layer that is used at several places: its parameters would have to be in several partitions.
 */
export function layerGraph(topology: Topology): LayerGraph {
  const { layers, output_layers: origins } = functionalOf(topology).config;
  const byName = new Map(layers.map((layer) => [layer.config.name, layer]));
  const outputs = (origins ?? []).map(([name]) => name);
  const ordered: GraphLayer[] = [];
  const state = new Map<string, 'open' | 'done'>();
  let input = '';

  // Depth first without recursion: models of two thousand layers in a line are allowed.
  const stack = [...outputs].reverse().map((name) => ({ name, left: false }));
  while (stack.length > 0) {
    const { name, left } = stack.pop()!;
    const node = byName.get(name);
    if (!node) throw invalidModel(FIELD, `There is no layer named ${JSON.stringify(name)}.`);
    const inputs = inputsOf(node);
    if (left) {
      state.set(name, 'done');
      if (node.class_name === 'InputLayer') input = name;
      else ordered.push({ node, inputs });
      continue;
    }
    if (state.get(name) === 'done') continue;
    if (state.get(name) === 'open')
      throw invalidModel(
        FIELD,
        `Layer ${JSON.stringify(name)} reads its own output: layers must not go round in a circle.`,
      );
    state.set(name, 'open');
    stack.push({ name, left: true });
    for (const source of [...inputs].reverse())
      if (state.get(source) !== 'done') stack.push({ name: source, left: false });
  }
  return { layers: ordered, input, outputs };
}

/** Its layers but the input's, in topological order. */
export function layerNames(topology: Topology): string[] {
  return layerGraph(topology).layers.map(({ node }) => node.config.name);
}

function inputsOf({ config, inbound_nodes: calls = [] }: LayerNode): string[] {
  if (calls.length > 1)
    throw invalidModel(
      FIELD,
      `Layer ${JSON.stringify(config.name)} is used at ${calls.length} places. A model that shares layers can not be cut: leave partitions out, or give each place a layer of its own.`,
    );
  return [...new Set((calls[0] ?? []).map(([name]) => name))];
}
