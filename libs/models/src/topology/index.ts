/** `@downpour/models/topology`: what can be said of a model without TensorFlow. */
export { canonicalTopology, checkTopology } from './canonical-topology.ts';
export { mainTopology } from './main-topology.ts';
export { modelTopology } from './model-topology.ts';
export { functionalOf } from './functional.ts';
export { layerNames } from '../partition/layer-graph.ts';
export { partitionedTopology } from '../partition/partitioned-topology.ts';
export { segmentsOf } from '../partition/segments.ts';
export { assignmentOf, layersOfVariables, variablePartitions } from '../partition/variable-partitions.ts';
export { defaultLoss } from '../losses/loss-kind.ts';
export { fitIssues } from '../fit-issues.ts';
export { metricValues } from '../metrics/metric-sums.ts';
export { exportModel } from '../export-model.ts';
export type { ExportedModel } from '../export-model.ts';
export type { SpecIssue } from '../spec-issue.ts';
export type { MetricsSpec } from '../metrics/metric-sums.ts';
export type { Assignment } from '../partition/segments.ts';
export type { LayerNode, Topology } from './topology.ts';
