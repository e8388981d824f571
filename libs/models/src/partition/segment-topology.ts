import type { Segment } from '@downpour/contracts';
import type { LayerNode, Topology } from '../topology/topology.ts';
import { functionalOf } from '../topology/functional.ts';
import { layerGraph } from './layer-graph.ts';

/**
 * A segment as a model of its own. It reads the features, where `readsFeatures`, then `inputs` in their order; it puts out `outputs` in their order, then
 * the model's outputs that it holds. What comes from outside enters by an InputLayer with the name of the layer that made it. `shapes`: of each layer's output, one example.
 */
export function segmentTopology(
  topology: Topology,
  segment: Segment,
  shapes: Readonly<Record<string, readonly number[]>>,
): Topology {
  const whole = functionalOf(topology);
  const graph = layerGraph(whole);
  const own = new Set(segment.layers);
  const inputs = segment.inputs.map((name): LayerNode => {
    return {
      class_name: 'InputLayer',
      name,
      config: { name, batch_input_shape: [null, ...shapes[name]!] },
      inbound_nodes: [],
    };
  });
  const features = whole.config.layers.filter(({ config }) => segment.readsFeatures && config.name === graph.input);
  const layers = graph.layers
    .filter(({ node }) => own.has(node.config.name))
    // Each layer is called once here, whatever it was numbered before.
    .map(({ node }) => ({
      ...node,
      inbound_nodes: node.inbound_nodes!.map((call) => call.map(([name]) => origin(name))),
    }));
  const outputs = [...segment.outputs, ...graph.outputs.filter((name) => own.has(name))];
  const entries = [...features, ...inputs].map(({ config }): [string, number, number] => [config.name, 0, 0]);
  return {
    ...whole,
    config: {
      name: `${whole.config.name}_${segment.index}`,
      layers: [...features, ...inputs, ...layers],
      input_layers: entries as [[string, number, number]],
      output_layers: outputs.map((name) => [name, 0, 0]) as [[string, number, number]],
    },
  };
}

function origin(name: string): [string, number, number, Record<string, never>] {
  return [name, 0, 0, {}];
}
