import type { LayerNode, Topology } from '../topology/topology.ts';
import type { LossKind } from './loss-kind.ts';

/** What the training twin of a model puts out. */
export type OutputForm = 'logits' | 'probabilities' | 'values';

/** How the training twin's output is read. */
export interface ReadOutput {
  form: OutputForm;
  /** Whether the final activation belongs to the loss: the twin puts out logits where the model puts out probabilities. */
  removed: boolean;
}

/** The activation whose inverse a loss contains: their product loses digits, so they are computed as one. */
const FUSED: Record<LossKind, string | null> = {
  softmaxCrossEntropy: 'softmax',
  sigmoidCrossEntropy: 'sigmoid',
  meanSquaredError: null,
};

const RECURRENT = new Set(['SimpleRNN', 'LSTM', 'GRU']);

/**
 * How a loss reads a model's output, that of `layer`. A model that ends in the loss's own activation (softmax, sigmoid) has it removed for training,
 * so that loss and gradient are computed from logits, exactly as for a model that puts out logits; `removed` says so. Only where the
 * activated output is also used inside the model, or the activation belongs to a recurrent layer, are probabilities read as they are (clipped at 1e-7).
 */
export function outputFormOf(topology: Topology, layer: LayerNode | undefined, loss: LossKind): ReadOutput {
  const fused = FUSED[loss];
  if (fused === null) return { form: 'values', removed: false };
  if (!layer || !endsIn(layer.class_name, layer.config['activation'], fused)) return { form: 'logits', removed: false };
  const inside = topology.config.layers.some((other) =>
    other.inbound_nodes?.some((call) => call.some(([name]) => name === layer.config.name)),
  );
  // A recurrent layer's activation is used at every step, not on the output alone.
  const recurrent = RECURRENT.has(layer.class_name);
  return inside || recurrent ? { form: 'probabilities', removed: false } : { form: 'logits', removed: true };
}

function endsIn(className: string, activation: unknown, fused: string): boolean {
  return className === 'Softmax' ? fused === 'softmax' : activation === fused;
}
