export { settledPushes, missingPushes, accountProblem, accountsProblem } from './account.ts';
export {
  chunksInEpoch,
  chunkBounds,
  stepsInChunk,
  pushesInChunk,
  pushOffset,
  pushesInEpoch,
  expectedPushes,
  examplesInPush,
} from './chunk-arithmetic.ts';
export {
  checkpointReasonSchema,
  checkpointSourceSchema,
  checkpointSummarySchema,
  jobOriginSchema,
} from './checkpoint.ts';
export type { CheckpointReason, CheckpointSource, CheckpointSummary, JobOrigin } from './checkpoint.ts';
export { checkpointLedgerSchema, checkpointManifestSchema, checkpointShardSchema } from './checkpoint-manifest.ts';
export type { CheckpointLedger, CheckpointManifest, CheckpointShard } from './checkpoint-manifest.ts';
export { clusterSchema } from './cluster.ts';
export type { Cluster } from './cluster.ts';
export {
  datasetSpecSchema,
  datasetFileSchema,
  datasetSummarySchema,
  datasetRecordSchema,
  BUILT_IN_DATASETS,
} from './dataset.ts';
export type { DatasetSpec, DatasetSummary, DatasetFile, DatasetRecord } from './dataset.ts';
export { augmentSchema } from './augment.ts';
export type { AugmentSpec } from './augment.ts';
export { encodingSchema, INT8_BLOCK, valueEncodingSchema } from './encoding.ts';
export type { EncodingSpec, ValueEncoding } from './encoding.ts';
export { errorCodeSchema, errorReplySchema, DownpourError, problemSchema } from './errors.ts';
export type { ErrorCode, ErrorReply, Problem } from './errors.ts';
export { jobEventSchema } from './event.ts';
export type { JobEvent, ShardEvent, WorkerEvent } from './event.ts';
export {
  asyncStrategySchema,
  BARRIER_STRATEGIES,
  localSgdStrategySchema,
  sandblasterStrategySchema,
  sharesSteps,
  sspStrategySchema,
  strategySchema,
  strategyWindow,
  syncStrategySchema,
  warmstartStepsOf,
} from './strategy.ts';
export type { StrategyOf, StrategySpec } from './strategy.ts';
export { initialControl, quorumOf, shardControlSchema } from './control.ts';
export type { ShardControl } from './control.ts';
export { controlSchema } from './messages/control.ts';
export type { ControlHeader } from './messages/control.ts';
export {
  cutNodeSchema,
  graphOf,
  groupSchema,
  groupsSchema,
  modelCutSchema,
  modelGraphSchema,
  partitionLayout,
  partitionOfDevice,
  partitionsSpecSchema,
  rangesInWhole,
} from './partitions.ts';
export type { Segment } from './segment.ts';
export type { CutNode, Group, Groups, ModelCut, ModelGraph, PartitionsSpec } from './partitions.ts';
export {
  crossingReplySchema,
  crossingRequestSchema,
  evaluationSumsSchema,
  groupWorkReplySchema,
  groupWorkRequestSchema,
  groupWorkSchema,
} from './messages/group.ts';
export type { CrossingReply, CrossingRequest, GroupWork, GroupWorkReply, GroupWorkRequest } from './messages/group.ts';
export { pushLogSchema, jobSpecSchema } from './job-spec.ts';
export type { JobSpec, JobSpecInput, PushLogSpec } from './job-spec.ts';
export { evaluationMetricSchema, isLowerBetter, metricOf, metricSchema } from './metric.ts';
export type { EvaluationMetric, Metric } from './metric.ts';
export {
  jobStateSchema,
  badPushSchema,
  shardLedgerSchema,
  evaluationSchema,
  jobProgressSchema,
  patienceSchema,
  plateauSchema,
  coordinationSchema,
  jobRecordSchema,
  TERMINAL_STATES,
} from './job.ts';
export type {
  JobState,
  BadPush,
  ShardLedger,
  Evaluation,
  JobProgress,
  Patience,
  Plateau,
  Coordination,
  JobRecord,
} from './job.ts';
export { jobLedgerSchema, ledgerOf } from './job-ledger.ts';
export type { JobLedger } from './job-ledger.ts';
export { scheduleFactor } from './learning-rate.ts';
export type { SchedulePosition } from './learning-rate.ts';
export { gradientClipSchema, learningRateScheduleSchema } from './learning-rate-schedule.ts';
export type { GradientClip, LearningRateSchedule, ReduceOnPlateau } from './learning-rate-schedule.ts';
export { variableSchema, parameterLayoutSchema, keyRangeSchema, chunkPlanSchema } from './layout.ts';
export type { Variable, ParameterLayout, KeyRange, ChunkPlan } from './layout.ts';
export { roleSchema, memberSchema } from './member.ts';
export type { Role, Member } from './member.ts';
export {
  captureShardReplySchema,
  captureShardRequestSchema,
  composeCheckpointReplySchema,
  composeCheckpointRequestSchema,
  readCaptureReplySchema,
  readCaptureRequestSchema,
} from './messages/checkpoint.ts';
export type {
  CaptureShardReply,
  CaptureShardRequest,
  ComposeCheckpointReply,
  ComposeCheckpointRequest,
  ReadCaptureReply,
  ReadCaptureRequest,
} from './messages/checkpoint.ts';
export {
  chunkTaskSchema,
  enqueueEpochRequestSchema,
  enqueueEpochReplySchema,
  examplesRequestSchema,
  examplesReplySchema,
} from './messages/chunk.ts';
export type {
  ChunkTask,
  EnqueueEpochRequest,
  EnqueueEpochReply,
  ExamplesRequest,
  ExamplesReply,
} from './messages/chunk.ts';
export { holdsReplySchema, holdsRequestSchema } from './messages/holds.ts';
export type { HoldsReply, HoldsRequest } from './messages/holds.ts';
export { inspectDatasetRequestSchema, inspectDatasetReplySchema } from './messages/dataset.ts';
export type { InspectDatasetRequest, InspectDatasetReply } from './messages/dataset.ts';
export { evaluateTaskSchema } from './messages/evaluate.ts';
export type { EvaluateTask } from './messages/evaluate.ts';
export { MOST_MISSING, missingChunksSchema, ledgerRequestSchema, ledgerReplySchema } from './messages/ledger.ts';
export type { MissingChunks, LedgerRequest, LedgerReply } from './messages/ledger.ts';
export { prepareRequestSchema, prepareReplySchema } from './messages/prepare.ts';
export type { PrepareRequest, PrepareReply } from './messages/prepare.ts';
export { pullRequestSchema, pullReplySchema } from './messages/pull.ts';
export type { PullRequest, PullReply } from './messages/pull.ts';
export { pushPullRequestSchema, pushPullReplySchema } from './messages/push-pull.ts';
export type { PushPullRequest, PushPullReply } from './messages/push-pull.ts';
export { pushSchema } from './messages/push.ts';
export type { PushHeader } from './messages/push.ts';
export { SUPPORTED_LAYERS, zooModelSchema, topologyModelSchema, modelSpecSchema } from './model-spec.ts';
export type { ZooModel, ModelSpec } from './model-spec.ts';
export { controlOf, shardPlacementSchema, jobPlanSchema, partitionView, planOriginSchema, shardView } from './plan.ts';
export type { ShardPlacement, JobPlan, PlanOrigin } from './plan.ts';
export { stepWindow } from './step-window.ts';
export type { StepWindow } from './step-window.ts';
export { subjects, streams, buckets, objects, queueGroups } from './subjects.ts';
export { clusterSpecSchema, isTask, missingTasks, servesJob } from './cluster-spec.ts';
export type { ClusterSpec, TensorflowJob } from './cluster-spec.ts';
export { formatDevice, parseDevice, taskOf } from './device.ts';
export type { DeviceSpec } from './device.ts';
export { partitionerSchema, placementSchema } from './placement.ts';
export type { Partitioner, Placement } from './placement.ts';
export { updateRuleSchema } from './update-rule.ts';
export type { UpdateRuleSpec } from './update-rule.ts';
export { weightsRecordSchema } from './weights.ts';
export type { WeightsRecord } from './weights.ts';
export { describeIssues } from './describe-issues.ts';
export type { FieldIssue } from './describe-issues.ts';
export {
  portionReplySchema,
  portionRequestSchema,
  restoreVectorsReplySchema,
  restoreVectorsRequestSchema,
  vectorOperationSchema,
  vectorOperationsReplySchema,
  vectorOperationsRequestSchema,
} from './messages/vector-operations.ts';
export type {
  PortionReply,
  PortionRequest,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  VectorOperation,
  VectorOperationsReply,
  VectorOperationsRequest,
} from './messages/vector-operations.ts';
