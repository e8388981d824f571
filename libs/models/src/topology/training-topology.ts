import { outputFormOf, type ReadOutput } from '../losses/output-form.ts';
import type { LossKind } from '../losses/loss-kind.ts';
import { outputLayersOf, type LayerNode, type Topology } from './topology.ts';

/** Class name of the dropout that takes its mask from the step's seed (seeded-dropout.ts). */
export const SEEDED_DROPOUT = 'SeededDropout';

/**
 * The twin that is trained: same parameters in the same order, but dropout takes its mask from the step's seed, the final
 * activations may belong to the loss (output-form.ts), and initialisers are zeros, for the parameters come from outside.
 */
export function trainingTopology(
  topology: Topology,
  loss: LossKind,
): {
  topology: Topology;
  /** How each output of the twin is read, in their order. */
  outputs: ReadOutput[];
} {
  const outputLayers = outputLayersOf(topology);
  const outputs = outputLayers.map((layer) => outputFormOf(topology, layer, loss));
  const bare = new Set(outputLayers.filter((_, i) => outputs[i]!.removed));
  let dropouts = 0;
  const layers = topology.config.layers.map((layer): LayerNode => {
    const config = { ...layer.config };
    for (const key of Object.keys(config))
      if (key.endsWith('_initializer')) config[key] = { class_name: 'Zeros', config: {} };
    if (layer.class_name === 'Dropout')
      return { ...layer, class_name: SEEDED_DROPOUT, config: { ...config, index: dropouts++ } };
    if (!bare.has(layer)) return { ...layer, config };
    return layer.class_name === 'Softmax'
      ? { ...layer, class_name: 'Activation', config: { name: config.name, activation: 'linear' } }
      : { ...layer, config: { ...config, activation: 'linear' } };
  });
  return { topology: { ...topology, config: { ...topology.config, layers } }, outputs };
}
