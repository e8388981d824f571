import type { DatasetSummary, ModelSpec } from '@downpour/contracts';
import { zooTopology } from '../zoo/zoo.ts';
import { canonicalTopology } from './canonical-topology.ts';
import { invalidModel } from './invalid-model.ts';
import { withLossWeights } from './loss-weights.ts';
import { withoutNeedlessFlatten } from './needless-flatten.ts';
import { inputShapeOf, type Topology } from './topology.ts';

const sizeOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);

/**
 * The canonical topology of a job's model for a data set. An input of another shape but the same size is fine: examples are
 * reshaped. A Sequential model that does not say its input's shape gets the data set's. Loads no TensorFlow.
 * @throws DownpourError invalid-model
 */
export function modelTopology(model: ModelSpec, dataset: DatasetSummary): Topology {
  if ('zoo' in model) return withoutNeedlessFlatten(zooTopology(model, dataset));
  const topology = withLossWeights(canonicalTopology(model.topology), model.lossWeights, 'model.lossWeights');
  const shape = inputShapeOf(topology);
  const [first] = topology.config.layers;
  if (!shape) {
    if (topology.class_name === 'Functional' || !first)
      throw invalidModel('model.topology.config.layers', 'The model has no InputLayer with a shape.');
    first.config['batch_input_shape'] = [null, ...dataset.featureShape];
    return withoutNeedlessFlatten(topology);
  }
  if (sizeOf(shape) !== sizeOf(dataset.featureShape))
    throw invalidModel(
      'model.topology.config.layers[0].config.batch_input_shape',
      `The model reads examples of shape [${shape.join(', ')}], but those of the data set have shape [${dataset.featureShape.join(', ')}].`,
    );
  return withoutNeedlessFlatten(topology);
}
