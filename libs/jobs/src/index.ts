export type {
  Clock,
  CoordinatorPort,
  DatasetLookup,
  EventSource,
  JobRepository,
  PlanRepository,
  Revised,
} from './ports.ts';
