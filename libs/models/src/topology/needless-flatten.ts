import { inputShapeOf, type LayerNode, type Topology } from './topology.ts';

/** Layers that make rows of numbers of whatever they are given. */
const FLATTENING = new Set([
  'Flatten',
  'GlobalAveragePooling1D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling1D',
  'GlobalMaxPooling2D',
]);
/** Recurrent layers, which put out a row where they put out their last state. */
const RECURRENT = new Set(['SimpleRNN', 'LSTM', 'GRU']);
/** Layers whose output has the rank of their input. */
const KEEPING = new Set([
  'InputLayer',
  'Dense',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'ELU',
  'Softmax',
  'Dropout',
  'BatchNormalization',
  'LayerNormalization',
  'Rescaling',
]);

/** Drops Flatten layers of what is flat already: Keras lets them pass, tfjs refuses them. Sequential models only. */
export function withoutNeedlessFlatten(topology: Topology): Topology {
  if (topology.class_name !== 'Sequential') return topology;
  let flat = inputShapeOf(topology)?.length === 1;
  let shape: unknown;
  const layers: LayerNode[] = [];
  for (const layer of topology.config.layers) {
    const needless = layer.class_name === 'Flatten' && flat;
    flat = flattens(layer) || (flat && KEEPING.has(layer.class_name));
    // The first layer may carry the input's shape.
    if (needless) shape ??= layer.config['batch_input_shape'];
    else {
      layers.push(shape === undefined || layers.length > 0 ? layer : withShape(layer, shape));
    }
  }
  return { ...topology, config: { ...topology.config, layers } };
}

function withShape(layer: LayerNode, shape: unknown): LayerNode {
  return { ...layer, config: { ...layer.config, batch_input_shape: shape } };
}

function flattens({ class_name, config }: LayerNode): boolean {
  return FLATTENING.has(class_name) || (RECURRENT.has(class_name) && !config['return_sequences']);
}
