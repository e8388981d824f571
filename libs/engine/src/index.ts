export { Engine } from './engine.ts';
export { ExamplesMemory } from './shared-examples.ts';
export { sharedMemory, sharedVector } from './shared-vectors.ts';
export type { EngineOptions, ReplicaInput, ReplicaOptions } from './engine.ts';
export type { ThreadPartition } from './thread-partition.ts';
export type { ThreadReplica } from './thread-replica.ts';
export type { EngineInfo } from './thread/messages.ts';
