export { MAX_PARAMETERS, modelFromTopology } from './build-model.ts';
export { exportModel } from './export-model.ts';
export { defaultLoss } from './losses/loss-kind.ts';
export { layoutOf, variablesOf } from './parameter-layout.ts';
export { layerShapes } from './partition/layer-shapes.ts';
export { modelCut } from './partition/model-cut.ts';
export { SegmentModel } from './partition/segment-model.ts';
export { describeModel, drawVariables, prepareModel } from './prepare-model.ts';
export { TrainingModel } from './training-model.ts';
export type { ExportedModel } from './export-model.ts';
export type { LossKind } from './losses/loss-kind.ts';
export type { ObjectiveSpec } from './losses/objective.ts';
export type { MetricsSpec } from './metrics/metric-sums.ts';
export type { DescribedModel, PreparationSpec, PreparedModel } from './prepare-model.ts';
export type {
  PartitionPlan,
  SegmentForward,
  SegmentStep,
  SegmentTensors,
  SegmentTraining,
} from './partition/segment-model.ts';
export type { UniformSource } from './seeded-dropout.ts';
export type { StepTensors, TrainingOptions } from './training-model.ts';
export type { Topology } from './topology/topology.ts';
