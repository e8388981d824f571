import { DownpourError } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { LayersModel } from '@tensorflow/tfjs';
import { invalidModel } from './topology/invalid-model.ts';
// Registers the layer that tfjs does not have.
import './local-response-normalization.ts';
import type { Topology } from './topology/topology.ts';

/**
 * tfjs's model of a canonical topology.
 * @throws DownpourError invalid-model with what tfjs says of shapes that do not fit
 */
export async function modelFromTopology(topology: Topology): Promise<LayersModel> {
  try {
    // tfjs changes the object it is given. It builds the layers before it first waits.
    return await bounded(() => tf.models.modelFromJSON(structuredClone(topology) as never));
  } catch (error) {
    if (error instanceof DownpourError) throw error;
    throw invalidModel('model.topology', sentence(error instanceof Error ? error.message : String(error)), error);
  }
}

/** tfjs's messages lead with the place in its code, and break lines. */
function sentence(message: string): string {
  const text = message
    .replace(/\s+/g, ' ')
    .replace(/^Error: /, '')
    .trim();
  return `The layers do not fit together: ${text}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/**
 * Parameters that a model may have: 1 GiB of float32. A worker holds several vectors of them, and a misplaced zero in a topology must
 * not take the process down.
 */
const MAX_PARAMETERS = 2 ** 28;

/** Every layer makes its weights by `addWeight`: they are counted there, before they take memory. */
function bounded<Result>(build: () => Result): Result {
  const layer = tf.layers.Layer.prototype as unknown as {
    addWeight(name: string, shape: number[], ...rest: unknown[]): unknown;
  };
  const { addWeight } = layer;
  let parameters = 0;
  layer.addWeight = function (name, shape, ...rest) {
    parameters += shape.reduce((size, n) => size * n, 1);
    if (parameters > MAX_PARAMETERS) {
      const most = MAX_PARAMETERS.toLocaleString('en');
      throw invalidModel(
        'model',
        `The model has more than ${most} parameters, the most that are supported. Make its layers smaller.`,
      );
    }
    return addWeight.call(this, name, shape, ...rest);
  };
  try {
    return build();
  } finally {
    layer.addWeight = addWeight;
  }
}
