import tf from '@tensorflow/tfjs';
import type { LayersModel } from '@tensorflow/tfjs';
import { invalidModel } from './topology/invalid-model.ts';
import type { Topology } from './topology/topology.ts';

/**
 * tfjs's model of a canonical topology.
 * @throws DownpourError invalid-model with what tfjs says of shapes that do not fit
 */
export async function modelFromTopology(topology: Topology): Promise<LayersModel> {
  try {
    // tfjs changes the object it is given.
    return await tf.models.modelFromJSON(structuredClone(topology) as never);
  } catch (error) {
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
