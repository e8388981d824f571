export { Engine } from './engine.ts';
export type { EngineOptions, ReplicaInput, ReplicaOptions } from './engine.ts';
export type { EngineInfo } from './thread/messages.ts';
