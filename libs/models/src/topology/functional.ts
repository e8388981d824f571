import type { LayerNode, Topology } from './topology.ts';

/** The same model with its connections written out: a Sequential one becomes a chain. Layers keep their names. */
export function functionalOf(topology: Topology): Topology {
  if (topology.class_name === 'Functional') return topology;
  const given = topology.config.layers;
  const [first] = given;
  if (!first) return topology;
  const layers = first.class_name === 'InputLayer' ? given : [inputOf(first, given), ...given];
  const connected = layers.map((layer, i): LayerNode => {
    const before = layers[i - 1]?.config.name;
    return {
      ...layer,
      name: layer.config.name,
      inbound_nodes: before === undefined ? [] : [[[before, 0, 0, {}]]],
    };
  });
  return {
    ...topology,
    class_name: 'Functional',
    config: {
      ...topology.config,
      layers: connected,
      input_layers: [[layers[0]!.config.name, 0, 0]],
      output_layers: [[layers.at(-1)!.config.name, 0, 0]],
    },
  };
}

/** The first layer of a Sequential model may say the input's shape itself. */
function inputOf(first: LayerNode, layers: readonly LayerNode[]): LayerNode {
  let name = 'input';
  while (layers.some((layer) => layer.config.name === name)) name = `${name}_`;
  return { class_name: 'InputLayer', config: { name, batch_input_shape: first.config['batch_input_shape'] } };
}
