export type {
  ChunkSource,
  Examples,
  ParameterClient,
  PulledParameters,
  PushRequest,
  Replica,
  ReplicaContext,
  Report,
  StepResult,
  TakenChunk,
} from './ports.ts';
