import { DownpourError, type DatasetSummary } from '@downpour/contracts';
import { TrainingModel, type DescribedModel } from '@downpour/models';
import { sharedVector } from '../shared-vectors.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { EagerRunner } from './eager-runner.ts';

/** Examples of the step: batch normalisation asks for more than one. */
const COUNT = 2;

/** The model whose step failed so. */
export function untrainable(cause: unknown): DownpourError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DownpourError('invalid-model', `model: The model can not be trained: ${reason}`, {
    field: 'model',
    cause,
  });
}

/**
 * Runs one step of a model that is about to be trained, on zeros: what a layer's settings forbid (strides beside dilation, say) comes up
 * only when it runs, and should come up before the job starts.
 * @throws DownpourError invalid-model
 */
export async function tryStep(
  tensorflow: TensorFlow,
  described: DescribedModel,
  dataset: DatasetSummary,
): Promise<void> {
  const model = await TrainingModel.open(described.topology, dataset, described.loss);
  const size = COUNT * dataset.featureShape.reduce((product, n) => product * n, 1);
  const features = dataset.featureType === 'uint8' ? new Uint8Array(size) : new Float32Array(size);
  const labels = dataset.labelKind === 'class' ? new Int32Array(COUNT) : new Float32Array(COUNT * dataset.labelWidth);
  try {
    const parameters = sharedVector(described.layout.length);
    new EagerRunner(tensorflow, model).step(parameters, { count: COUNT, features, labels }, 0);
  } catch (error) {
    throw untrainable(error);
  } finally {
    model.dispose();
  }
}
