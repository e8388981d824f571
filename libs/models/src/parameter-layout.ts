import type { ParameterLayout, Variable } from '@downpour/contracts';
import type { LayersModel } from '@tensorflow/tfjs';

export type LayerVariable = LayersModel['weights'][number];

/** Variables of a model in the order of its flat vector: trainable first, then state. */
export function variablesOf(model: LayersModel): LayerVariable[] {
  return [...model.trainableWeights, ...model.nonTrainableWeights];
}

/** Shape of each output, batch included, and the layer it comes from. */
export function outputsOf(model: LayersModel): { shape: (number | null)[]; name: string }[] {
  return model.outputs.map(({ shape, sourceLayer }) => ({ shape, name: sourceLayer.name }));
}

/** Names are those under which tfjs saves and loads weights. */
export function layoutOf(model: LayersModel): ParameterLayout {
  let offset = 0;
  const trainable = model.trainableWeights.length;
  const variables = variablesOf(model).map((variable, i): Variable => {
    const shape = variable.shape as number[];
    const length = shape.reduce((size, n) => size * n, 1);
    const entry = { name: variable.originalName, shape, offset, length, trainable: i < trainable };
    offset += length;
    return entry;
  });
  const trainableLength = variables.reduce((sum, { length, trainable: is }) => sum + (is ? length : 0), 0);
  return { length: offset, trainableLength, variables };
}
