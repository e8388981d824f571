import type { Coordination, JobRecord, JobSpec, StrategySpec } from '@downpour/contracts';

const NOTHING_YET: Coordination = {
  epochsEnqueued: 0,
  evaluationsRequested: 0,
  eventSequence: 0,
  announced: null,
  trainedAt: null,
  pausedAt: null,
  pausedMs: 0,
  checkpointsDue: 0,
  plateau: null,
  earlyStopping: null,
  cleaned: false,
};

/** A job as it is when it is accepted. `at` is ISO 8601. */
export function newJob(id: string, spec: JobSpec, at: string): JobRecord {
  return {
    id,
    name: spec.name ?? id,
    state: 'queued',
    reason: null,
    spec,
    createdAt: at,
    startedAt: null,
    finishedAt: null,
    parameters: null,
    progress: null,
    evaluations: [],
    ledger: [],
    checkpoints: [],
    origin: null,
    strategy: null,
    result: null,
    coordination: NOTHING_YET,
  };
}

export function coordinationOf(job: Pick<JobRecord, 'coordination'>): Coordination {
  return job.coordination ?? NOTHING_YET;
}

/** At present. */
export const strategyOf = ({ strategy, spec }: Pick<JobRecord, 'strategy' | 'spec'>): StrategySpec =>
  strategy ?? spec.strategy;
