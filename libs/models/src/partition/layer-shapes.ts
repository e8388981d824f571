import tf from '@tensorflow/tfjs';
import { modelFromTopology } from '../build-model.ts';
import type { Topology } from '../topology/topology.ts';

/**
 * Shape of one example at each layer's output, by the layer's name. No parameter is allocated: a partition asks this of the whole model, which it
 * may not have the memory for.
 */
export async function layerShapes(topology: Topology): Promise<Record<string, number[]>> {
  const model = await withoutWeights(() => modelFromTopology(topology));
  return Object.fromEntries(
    model.layers.map((layer) => [layer.name, (layer.outputShape as (number | null)[]).slice(1) as number[]]),
  );
}

/** Layers make their weights by `addWeight` alone; `build` must make them before it first waits. */
function withoutWeights<Result>(build: () => Result): Result {
  const layer = tf.layers.Layer.prototype as unknown as { addWeight: (...args: unknown[]) => unknown };
  const { addWeight } = layer;
  layer.addWeight = (name, shape) => ({ name, shape });
  try {
    return build();
  } finally {
    layer.addWeight = addWeight;
  }
}
