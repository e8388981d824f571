export { DownpourReplica } from './downpour-replica.ts';
export { FairShare } from './fair-share.ts';
export { stepSeed } from './step-seed.ts';
export type { ChunkOutcome, ReplicaOptions, TrainChunkOptions } from './downpour-replica.ts';
export type { ChunkReport } from './progress-reporter.ts';
export type {
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
