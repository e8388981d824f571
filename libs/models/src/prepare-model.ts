import type { DatasetSummary, ModelCut, ModelSpec, ParameterLayout, PartitionsSpec } from '@downpour/contracts';
import { modelFromTopology } from './build-model.ts';
import { fitIssues, type FitSpec } from './fit-issues.ts';
import { checkOutputs } from './losses/check-outputs.ts';
import { defaultLoss, type LossKind } from './losses/loss-kind.ts';
import { layoutOf, outputsOf, variablesOf } from './parameter-layout.ts';
import { partitionedTopology } from './partition/partitioned-topology.ts';
import { resolveReshapes } from './resolve-reshapes.ts';
import { invalidModel } from './topology/invalid-model.ts';
import { modelTopology } from './topology/model-topology.ts';
import { seededTopology } from './topology/seeded-topology.ts';
import type { Topology } from './topology/topology.ts';

export interface PreparedModel {
  topology: Topology;
  layout: ParameterLayout;
  /** float32 [layout.length]; one seed gives one vector. */
  initial: Float32Array;
  loss: LossKind;
  /** Where the spec asks for partitions and the layers' costs are known (libs/engine). */
  cut?: ModelCut;
}

/** Of a job's spec, what says how its model is made; the rest is checked against the data set, where given. */
export type PreparationSpec = { model: ModelSpec; seed: number; partitions?: PartitionsSpec } & FitSpec;

/**
 * Builds a job's model, checks it against the data set and draws its initial parameters.
 * @throws DownpourError invalid-model
 */
export async function prepareModel(spec: PreparationSpec, dataset: DatasetSummary): Promise<PreparedModel> {
  const [issue] = fitIssues(spec, dataset);
  if (issue) throw invalidModel(issue.field, issue.message);
  const given = await resolveReshapes(modelTopology(spec.model, dataset));
  const topology = partitionedTopology(given, spec.partitions);
  const loss = spec.loss ?? defaultLoss(dataset);
  const model = await modelFromTopology(seededTopology(topology, spec.seed));
  try {
    checkOutputs(outputsOf(model), dataset, loss);
    const layout = layoutOf(model);
    if (layout.trainableLength === 0) throw invalidModel('model.topology', 'The model has no parameter to train.');
    const initial = new Float32Array(layout.length);
    variablesOf(model).forEach((variable, i) => initial.set(variable.read().dataSync(), layout.variables[i]!.offset));
    return { topology, layout, initial, loss };
  } finally {
    model.dispose();
  }
}
