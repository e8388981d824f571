/**
 * A model's topology in the one form the project stores and exchanges: Keras 2 JSON as tfjs reads it (`tf.models.modelFromJSON`).
 * Whatever a user sends is brought into this form once, by `canonicalTopology`.
 */
export type Topology = {
  class_name: 'Sequential' | 'Functional';
  config: {
    name: string;
    layers: LayerNode[];
    /** Functional only: [layer, node, tensor]. One input. Of several outputs the first is the model's, the others are auxiliary. */
    input_layers?: [TensorOrigin];
    output_layers?: [TensorOrigin, ...TensorOrigin[]];
  };
  /** Weight of each output's loss in training, in the outputs' order. Absent: 1 each. */
  loss_weights?: number[];
  keras_version: string;
  backend: string;
};

/** Name of a layer, index of its call, index of its output. */
export type TensorOrigin = [string, number, number];

export type LayerConfig = Record<string, unknown> & { name: string };

export interface LayerNode {
  class_name: string;
  config: LayerConfig;
  /** Functional only. */
  name?: string;
  /** Functional only: for each call, the tensors it is given. */
  inbound_nodes?: [string, number, number, Record<string, never>][][];
}

/** Shape of one example at the model's input, where the topology says it. */
export function inputShapeOf(topology: Topology): number[] | null {
  for (const layer of topology.config.layers) {
    const shape = layer.config['batch_input_shape'];
    if (Array.isArray(shape)) return (shape as (number | null)[]).slice(1) as number[];
  }
  return null;
}

/** The layers whose outputs are the model's, the main one first. */
export function outputLayersOf(topology: Topology): LayerNode[] {
  const { layers, output_layers: outputs } = topology.config;
  if (!outputs) return layers.slice(-1);
  return outputs.map(([name]) => layers.find((layer) => layer.config.name === name)!);
}

/** `Sequential` of layers as the zoo writes them. */
export function sequential(name: string, layers: LayerNode[]): Topology {
  return { class_name: 'Sequential', config: { name, layers }, keras_version: '2.15.0', backend: 'tensorflow' };
}
