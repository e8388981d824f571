import type { DatasetSummary } from '@downpour/contracts';
import { prepareModel, TrainingModel, type LossKind, type PreparedModel, type TrainingOptions } from '@downpour/models';
import type { Topology } from '@downpour/models/topology';
import { CompiledRunner } from '../step/compiled-runner.ts';
import { EagerRunner } from '../step/eager-runner.ts';
import { loadTensorFlow, type TensorFlow } from '../tensorflow/load.ts';

export interface Twins {
  tensorflow: TensorFlow;
  prepared: PreparedModel;
  eager: EagerRunner;
  compiled: CompiledRunner;
  dispose(): void;
}

/** One model, run op by op and compiled. */
export async function twins(
  topology: Topology,
  dataset: DatasetSummary,
  loss?: LossKind,
  options: TrainingOptions = {},
): Promise<Twins> {
  const tensorflow = await loadTensorFlow();
  const prepared = await prepareModel({ model: { topology }, seed: 7, ...(loss ? { loss } : {}) }, dataset);
  const model = await TrainingModel.open(prepared.topology, dataset, prepared.loss, options);
  const compiled = new CompiledRunner(tensorflow, model);
  return {
    tensorflow,
    prepared,
    eager: new EagerRunner(tensorflow, model),
    compiled,
    dispose: () => {
      compiled.dispose();
      model.dispose();
    },
  };
}

/** Largest difference of two vectors, relative to the largest value. */
export function difference(a: Float32Array, b: Float32Array): number {
  let most = 0;
  let scale = 1e-12;
  for (let i = 0; i < a.length; i++) {
    most = Math.max(most, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(a[i]!));
  }
  return most / scale;
}
