import type { OutputForm } from '../losses/output-form.ts';
import { outputFormOf } from '../losses/output-form.ts';
import type { LossKind } from '../losses/loss-kind.ts';
import { outputLayerOf, type LayerNode, type Topology } from './topology.ts';

/** Class name of the dropout that takes its mask from the step's seed (seeded-dropout.ts). */
export const SEEDED_DROPOUT = 'SeededDropout';

/**
 * The twin that is trained: same parameters in the same order, but dropout takes its mask from the step's seed, the final
 * activation may belong to the loss (output-form.ts), and initialisers are zeros, for the parameters come from outside.
 */
export function trainingTopology(
  topology: Topology,
  loss: LossKind,
): {
  topology: Topology;
  form: OutputForm;
  /** Whether the final activation belongs to the loss: the twin puts out logits where the model puts out probabilities. */
  removed: boolean;
} {
  const { form, removed } = outputFormOf(topology, loss);
  const output = outputLayerOf(topology);
  let dropouts = 0;
  const layers = topology.config.layers.map((layer): LayerNode => {
    const config = { ...layer.config };
    for (const key of Object.keys(config))
      if (key.endsWith('_initializer')) config[key] = { class_name: 'Zeros', config: {} };
    if (layer.class_name === 'Dropout')
      return { ...layer, class_name: SEEDED_DROPOUT, config: { ...config, index: dropouts++ } };
    if (!removed || layer !== output) return { ...layer, config };
    return layer.class_name === 'Softmax'
      ? { ...layer, class_name: 'Activation', config: { name: config.name, activation: 'linear' } }
      : { ...layer, config: { ...config, activation: 'linear' } };
  });
  return { topology: { ...topology, config: { ...topology.config, layers } }, form, removed };
}
