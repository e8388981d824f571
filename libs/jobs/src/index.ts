export { Coordinator } from './coordinator.ts';
export { DEFAULT_COORDINATOR_OPTIONS } from './coordinator-options.ts';
export { addCheckpoint, completeCheckpoint } from './checkpoints.ts';
export { newJob } from './job-record.ts';
export { canMove, isTerminal, moveTo, TRANSITIONS } from './job-state.ts';
export { pauseJob, resumeJob } from './pause.ts';
export { switchStrategy } from './switch-strategy.ts';
export { available, waitingFor } from './waiting.ts';

export type { CoordinatorOptions } from './coordinator-options.ts';
export type { CoordinatorDependencies, CoordinatorLog } from './job-run.ts';
export type {
  Clock,
  CoordinatorPort,
  ShardAccount,
  DatasetLookup,
  EventSource,
  JobRepository,
  PlanRepository,
  Revised,
} from './ports.ts';
export type { Load, Move } from './shard-owners.ts';
