/** Knobs of the coordinator. The defaults suit a cluster of one machine as well as one of a hundred. */
export interface CoordinatorOptions {
  /** Pause between two looks at a job when nothing calls for one. @default 500 */
  tickMs: number;
  /** Jobs that run at the same time; more wait in order of arrival. @default 8 */
  maxRunningJobs: number;
  /** The job record is written at most this often for progress alone. @default 1000 */
  progressMs: number;
  /** Chunks are enqueued ahead for this long at the present rate. Higher: an early stop drops more. @default 5000 */
  lookAheadMs: number;
  /** A shard that has said nothing for this long is asked for its ledger. @default 5000 */
  quietShardMs: number;
  /** At most one shard moves to a joiner per this time, so that moves do not pile up. @default 5000 */
  rebalanceMs: number;
  /** How long an evaluation may be out before the next is asked for all the same. @default 60000 */
  evaluationMs: number;
  /** A last evaluation that has not come back after this long is asked for again. @default 600000 */
  finalEvaluationMs: number;
  /** No gradient applied for this long: `reason` says what is awaited. @default 30000 */
  quietJobMs: number;
  /** Queue empty, pushes missing for this long: their chunks are given out once more (the ledger drops doubles). @default 150000 */
  healMs: number;
  /** The same where pushes are known to be missing: of jobs without a push log, and of strategies that drop late ones. @default 2000 */
  healUnloggedMs: number;
  /** No gradient applied for this long though the cluster is complete: the job fails. @default 3600000 */
  stalledJobMs: number;
  /** A pause waits so long for chunks in hand; what takes longer is done again after it. @default 60000 */
  pausePatienceMs: number;
  /** Attempts at a step that fails for no known reason, before the job fails. @default 8 */
  maxAttempts: number;
}

export const DEFAULT_COORDINATOR_OPTIONS: CoordinatorOptions = {
  tickMs: 500,
  maxRunningJobs: 8,
  progressMs: 1000,
  lookAheadMs: 5000,
  quietShardMs: 5000,
  rebalanceMs: 5000,
  evaluationMs: 60_000,
  finalEvaluationMs: 600_000,
  quietJobMs: 30_000,
  healMs: 150_000,
  healUnloggedMs: 2000,
  stalledJobMs: 3_600_000,
  pausePatienceMs: 60_000,
  maxAttempts: 8,
};
