import { DownpourError, graphOf, type DatasetSummary, type ModelCut, type PartitionsSpec } from '@downpour/contracts';
import { layerShapes, MAX_PARAMETERS, modelCut, type DescribedModel } from '@downpour/models';
import type { TensorFlow } from '../tensorflow/load.ts';
import { measureLayers } from './measure-layers.ts';

/**
 * The cut of a model that was just described, by what its layers cost here.
 * @throws DownpourError invalid-model
 */
export async function cutPrepared(
  tensorflow: TensorFlow,
  described: DescribedModel,
  dataset: DatasetSummary,
  spec: PartitionsSpec,
): Promise<ModelCut> {
  const { topology, layout } = described;
  const costsMs = await measureLayers(tensorflow, described, dataset);
  const cut = modelCut(topology, layout, spec, { shapes: await layerShapes(topology), costsMs });
  const largest = graphOf(cut).partitions.reduce((a, b) => (b.parameters > a.parameters ? b : a));
  if (largest.parameters > MAX_PARAMETERS)
    throw new DownpourError(
      'invalid-model',
      `partitions: Partition ${largest.partition} has ${largest.parameters.toLocaleString('en')} parameters, ${MAX_PARAMETERS.toLocaleString('en')} are the most. Cut the model in more, or give its layers other devices.`,
      { field: 'partitions' },
    );
  return cut;
}
