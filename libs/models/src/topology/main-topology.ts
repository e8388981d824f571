import type { LayerNode, Topology } from './topology.ts';

type Call = [layer: string, node: number];
const keyOf = (layer: string, node: number) => JSON.stringify([layer, node]);

/**
 * The model of the main output alone: without the layers and calls that only auxiliary outputs need. "At inference time, these auxiliary
 * networks are discarded" (Szegedy et al., Going deeper with convolutions, section 5). The topology itself where it has one output.
 */
export function mainTopology(topology: Topology): Topology {
  const { layers, output_layers: outputs } = topology.config;
  const { loss_weights: _, ...rest } = topology;
  if (!outputs || outputs.length === 1) return rest;
  const byName = new Map(layers.map((layer) => [layer.config.name, layer]));
  const [[mainLayer, mainNode, mainTensor]] = outputs;
  const needed = new Set<string>();
  const open: Call[] = [[mainLayer, mainNode]];
  while (open.length > 0) {
    const [name, node] = open.pop()!;
    if (needed.has(keyOf(name, node))) continue;
    needed.add(keyOf(name, node));
    for (const [origin, originNode] of byName.get(name)?.inbound_nodes?.[node] ?? []) open.push([origin, originNode]);
  }
  /** Where a call stands among those of its layer that are left. */
  const placeOf = (name: string, node: number): number =>
    Array.from({ length: node }, (_, earlier) => earlier).filter((earlier) => needed.has(keyOf(name, earlier))).length;
  const kept = layers.flatMap((layer): LayerNode[] => {
    const { name } = layer.config;
    const calls = layer.inbound_nodes ?? [];
    // An input has no inbound nodes, but is the origin of others as its node 0.
    if (calls.length === 0) return needed.has(keyOf(name, 0)) ? [layer] : [];
    const left = calls.filter((_, node) => needed.has(keyOf(name, node)));
    if (left.length === 0) return [];
    const inbound = left.map((call) =>
      call.map(([origin, node, tensor, args]): (typeof call)[number] => [origin, placeOf(origin, node), tensor, args]),
    );
    return [{ ...layer, inbound_nodes: inbound }];
  });
  const output: [string, number, number] = [mainLayer, placeOf(mainLayer, mainNode), mainTensor];
  return { ...rest, config: { ...topology.config, layers: kept, output_layers: [output] } };
}
