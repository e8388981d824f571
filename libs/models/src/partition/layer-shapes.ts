import { outlineOf } from '../build-model.ts';
import type { Topology } from '../topology/topology.ts';

/**
 * Shape of one example at each layer's output, by the layer's name. No parameter is allocated: a partition asks this of the whole model, which it
 * may not have the memory for.
 */
export async function layerShapes(topology: Topology): Promise<Record<string, number[]>> {
  const { model } = await outlineOf(topology, Infinity);
  const shapes = model.layers.map(({ name, outputShape }) => [name, (outputShape as (number | null)[]).slice(1)]);
  model.dispose();
  return Object.fromEntries(shapes) as Record<string, number[]>;
}
