import { DownpourError } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import { invalidModel } from './topology/invalid-model.ts';
import type { LayerVariable } from './parameter-layout.ts';
// Registers the layer that tfjs does not have.
import './local-response-normalization.ts';
import type { Topology } from './topology/topology.ts';

/**
 * Parameters that one process may hold of a model: 1 GiB of float32. A worker holds several vectors of them, and a misplaced zero in a topology must
 * not take the process down.
 */
export const MAX_PARAMETERS = 2 ** 28;

/**
 * tfjs's model of a canonical topology.
 * @throws DownpourError invalid-model with what tfjs says of shapes that do not fit
 */
export function modelFromTopology(topology: Topology): Promise<LayersModel> {
  return built(topology, counted(MAX_PARAMETERS));
}

/** A model that has its layers, shapes and variables, but no memory for the variables' values. */
export interface OutlinedModel {
  model: LayersModel;
  /** The values that a variable begins with: its initialiser's. */
  draw: (variable: LayerVariable) => Tensor;
}

/**
 * As `modelFromTopology`, of a model that this process may not have the memory for.
 * @param most parameters that it may have
 * @throws DownpourError invalid-model
 */
export async function outlineOf(topology: Topology, most = MAX_PARAMETERS): Promise<OutlinedModel> {
  const values = new Map<LayerVariable, () => Tensor>();
  const count = counted(most);
  const model = await built(topology, (addWeight) => {
    const checked = count(addWeight);
    return function (name, shape, dtype, initializer, ...rest) {
      const weight = checked.call(this, name, shape, dtype, NOTHING, ...rest);
      (weight as { shape: readonly number[] }).shape = shape;
      values.set(weight, () => initializer.apply(shape, dtype ?? 'float32'));
      return weight;
    };
  });
  return { model, draw: (variable) => values.get(variable)!() };
}

interface Initializer {
  apply(shape: number[], dtype: string): Tensor;
}

/** What every layer makes its weights by. */
type AddWeight = (
  this: unknown,
  name: string,
  shape: number[],
  dtype: string | null | undefined,
  initializer: Initializer,
  ...rest: unknown[]
) => LayerVariable;

const NOTHING: Initializer = { apply: () => tf.scalar(0) };

/** Weights are counted before they take memory. */
function counted(most: number): (addWeight: AddWeight) => AddWeight {
  let parameters = 0;
  return (addWeight) =>
    function (name, shape, ...rest) {
      parameters += shape.reduce((size, n) => size * n, 1);
      if (parameters > most)
        throw invalidModel(
          'model',
          `The model has more than ${most.toLocaleString('en')} parameters, the most that are supported. Make its layers smaller, or cut it in (more) partitions.`,
        );
      return addWeight.call(this, name, shape, ...rest);
    };
}

async function built(topology: Topology, weights: (addWeight: AddWeight) => AddWeight): Promise<LayersModel> {
  try {
    return await building(topology, weights);
  } catch (error) {
    if (error instanceof DownpourError) throw error;
    throw invalidModel('model.topology', sentence(error instanceof Error ? error.message : String(error)), error);
  }
}

/** tfjs builds the layers before it first waits. */
function building(topology: Topology, weights: (addWeight: AddWeight) => AddWeight): Promise<LayersModel> {
  const layer = tf.layers.Layer.prototype as unknown as { addWeight: AddWeight };
  const { addWeight } = layer;
  layer.addWeight = weights(addWeight);
  try {
    // It changes the object that it is given.
    return tf.models.modelFromJSON(structuredClone(topology) as never);
  } finally {
    layer.addWeight = addWeight;
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
