export type { CoordinatorPort, JobRepository, PlanRepository, Revised } from './ports.ts';
