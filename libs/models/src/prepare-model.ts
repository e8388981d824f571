import type { DatasetSummary, ModelCut, ModelSpec, ParameterLayout, PartitionsSpec } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import { MAX_PARAMETERS, outlineOf } from './build-model.ts';
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

/** A job's model, without values. */
export interface DescribedModel {
  topology: Topology;
  layout: ParameterLayout;
  loss: LossKind;
  /** Where the spec asks for partitions and the layers' costs are known (libs/engine). */
  cut?: ModelCut;
}

export interface PreparedModel extends DescribedModel {
  /** float32 [layout.length]; one seed gives one vector. */
  initial: Float32Array;
}

/** Of a job's spec, what says how its model is made; the rest is checked against the data set, where given. */
export type PreparationSpec = { model: ModelSpec; seed: number; partitions?: PartitionsSpec } & FitSpec;

/**
 * Lays out a job's model and checks it against the data set. Takes no memory for its parameters: a model that is to be cut may have more than this
 * process can hold.
 * @throws DownpourError invalid-model
 */
export async function describeModel(spec: PreparationSpec, dataset: DatasetSummary): Promise<DescribedModel> {
  const [issue] = fitIssues(spec, dataset);
  if (issue) throw invalidModel(issue.field, issue.message);
  const given = await resolveReshapes(modelTopology(spec.model, dataset));
  const topology = partitionedTopology(given, spec.partitions);
  const loss = spec.loss ?? defaultLoss(dataset);
  const { model } = await outlineOf(topology, MAX_PARAMETERS * (spec.partitions?.count ?? 1));
  try {
    checkOutputs(outputsOf(model), dataset, loss);
    const layout = layoutOf(model);
    if (layout.trainableLength === 0) throw invalidModel('model.topology', 'The model has no parameter to train.');
    return { topology, layout, loss };
  } finally {
    model.dispose();
  }
}

/**
 * What variables begin with, drawn from the job's seed whoever draws them: from the `begin`-th of the layout on, until there are `least` values or no
 * more variables. One array for each.
 */
export async function drawVariables(
  topology: Topology,
  seed: number,
  begin: number,
  least: number,
): Promise<Float32Array[]> {
  const { model, draw } = await outlineOf(seededTopology(topology, seed), Infinity);
  const drawn: Float32Array[] = [];
  let length = 0;
  for (const variable of variablesOf(model).slice(begin)) {
    if (length >= least) break;
    // Not the values: tidy would look through them for tensors.
    const tensor = tf.tidy(() => draw(variable));
    const values = tensor.dataSync<'float32'>();
    tensor.dispose();
    drawn.push(values);
    length += values.length;
  }
  model.dispose();
  return drawn;
}

/**
 * `describeModel`, and all that `drawVariables` gives, in one vector.
 * @throws DownpourError invalid-model
 */
export async function prepareModel(spec: PreparationSpec, dataset: DatasetSummary): Promise<PreparedModel> {
  const described = await describeModel(spec, dataset);
  const { topology, layout } = described;
  const initial = new Float32Array(layout.length);
  const drawn = await drawVariables(topology, spec.seed, 0, Infinity);
  drawn.forEach((values, i) => initial.set(values, layout.variables[i]!.offset));
  return { ...described, initial };
}
