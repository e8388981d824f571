import { outlineOf } from './build-model.ts';
import type { LayerNode, Topology } from './topology/topology.ts';

const leavesOpen = ({ class_name, config }: LayerNode) =>
  class_name === 'Reshape' &&
  (config['target_shape'] as unknown[]).some((size) => typeof size !== 'number' || size < 0);

/**
 * Writes the size that Reshape(-1) stands for. tfjs can not tell it while the batch's size is open, so the model is laid out once for
 * a batch of one.
 */
export async function resolveReshapes(topology: Topology): Promise<Topology> {
  const { layers } = topology.config;
  if (!layers.some(leavesOpen)) return topology;
  const ofOne = layers.map((layer) => {
    const shape = layer.config['batch_input_shape'];
    return Array.isArray(shape)
      ? { ...layer, config: { ...layer.config, batch_input_shape: [1, ...shape.slice(1)] } }
      : layer;
  });
  const { model } = await outlineOf({ ...topology, config: { ...topology.config, layers: ofOne } }, Infinity);
  const resolved = layers.map((layer) => {
    if (!leavesOpen(layer)) return layer;
    const shape = model.getLayer(layer.config.name).outputShape as number[];
    return { ...layer, config: { ...layer.config, target_shape: shape.slice(1) } };
  });
  model.dispose();
  return { ...topology, config: { ...topology.config, layers: resolved } };
}
