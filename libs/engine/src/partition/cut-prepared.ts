import type { DatasetSummary, ModelCut, PartitionsSpec } from '@downpour/contracts';
import { layerShapes, modelCut, type PreparedModel } from '@downpour/models';
import type { TensorFlow } from '../tensorflow/load.ts';
import { measureLayers } from './measure-layers.ts';

/**
 * The cut of a model that was just prepared, by what its layers cost here.
 * @throws DownpourError invalid-model
 */
export async function cutPrepared(
  tensorflow: TensorFlow,
  prepared: PreparedModel,
  dataset: DatasetSummary,
  spec: PartitionsSpec,
): Promise<ModelCut> {
  const { topology, layout } = prepared;
  const costsMs = await measureLayers(tensorflow, prepared, dataset);
  return modelCut(topology, layout, spec, { shapes: await layerShapes(topology), costsMs });
}
