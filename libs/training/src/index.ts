export { DownpourReplica } from './downpour-replica.ts';
export { FairShare } from './fair-share.ts';
export { Lbfgs } from './sandblaster/lbfgs.ts';
export { PartitionReplica } from './partition/partition-replica.ts';
export { PortionBoard } from './sandblaster/portion-board.ts';
export { SandblasterReplica } from './sandblaster/sandblaster-replica.ts';
export { stepSeed } from './step-seed.ts';
export type { ChunkOutcome, ReplicaOptions, TrainChunkOptions } from './downpour-replica.ts';
export type { ChunkReport } from './progress-reporter.ts';
export type {
  EvaluationSums,
  Examples,
  ParameterClient,
  PulledParameters,
  PullOptions,
  PushRequest,
  Replica,
  ReplicaContext,
  Report,
  StepResult,
  TakenChunk,
} from './ports.ts';
export type { LbfgsOptions, LbfgsState, StopReason } from './sandblaster/lbfgs.ts';
export type { Portion, PortionCounts } from './sandblaster/portion-board.ts';
export type { BatchEvaluation, BatchObjective, KeptIteration } from './sandblaster/ports.ts';
export type {
  BackwardCall,
  Crossing,
  Exchange,
  PartitionCompute,
  SegmentCall,
  SegmentOutput,
  SegmentTime,
} from './partition/ports.ts';
