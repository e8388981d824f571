import type { CheckpointManifest, JobPlan, JobProgress, JobRecord, JobState, Member, Role } from '@downpour/contracts';
import { pushesInEpoch, servesJob } from '@downpour/contracts';
import type { CoordinatorOptions } from './coordinator-options.ts';
import { earlyStoppingAfter } from './early-stopping.ts';
import { coordinationOf } from './job-record.ts';
import { isTerminal, moveTo } from './job-state.ts';
import { JobTracker } from './job-tracker.ts';
import { plateauAfter } from './plateau.ts';
import type {
  Clock,
  CoordinatorPort,
  DatasetLookup,
  EventSource,
  JobRepository,
  PlanRepository,
  Revised,
} from './ports.ts';

import type { SandblasterRun } from './sandblaster/sandblaster-run.ts';
import { available } from './waiting.ts';

/** Records keep this many evaluations. */
const KEPT_EVALUATIONS = 1000;

/** What the coordinator says of its work; `log` of an app will do. */
export interface CoordinatorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Everything the coordinator is given. */
export interface CoordinatorDependencies {
  jobs: JobRepository;
  plans: PlanRepository;
  cluster: CoordinatorPort;
  events: EventSource;
  datasets: DatasetLookup;
  clock: Clock;
  log: CoordinatorLog;
  /** Looks at a job at once. */
  wake?: (jobId: string) => void;
}

/**
 * One job in the coordinator's hands: its record and plan as they are stored, what its events say, and what only this coordinator knows
 * (attempts, times), which a successor can do without.
 */
export class JobRun {
  /** True while a reconciliation is under way. */
  busy = false;
  /** Something happened meanwhile: look again at once. */
  again = false;
  readonly deps: CoordinatorDependencies;
  readonly options: CoordinatorOptions;
  readonly tracker = new JobTracker();
  plan: Revised<JobPlan> | null = null;
  /** Failed attempts in a row at the present step. */
  attempts = 0;
  attemptAfter = 0;
  /** Null when none is out. */
  evaluationAskedAt: number | null = null;
  finalAskedAt: number | null = null;
  finalAttempts = 0;
  /** The checkpoint that is being written. */
  checkpointing: { number: number; outcome: { manifest: CheckpointManifest } | { error: unknown } | null } | null =
    null;
  /** Its coordinator leads no more: a look that is still under way begins nothing that would go on by itself. */
  released = false;
  /** Main loop of a sandblaster job. */
  sandblaster: SandblasterRun | null = null;
  sandblasterFailures = 0;
  sandblasterAfter = 0;
  /** Workers keep in step for this job, or are about to: of all jobs at most one has it, and who has it was decided before anything was stored. */
  holdsStep = false;
  /** It is to keep workers in step, and waits for the one that does. */
  waitsForStep: string | null = null;
  checkpointAttempts = 0;
  checkpointAfter = 0;
  /** What the shards of a job that pauses had settled at the last look. */
  lastSettled = '';
  healedAt = 0;
  /** Chunks not yet acknowledged, as of the last look. */
  pendingChunks = 0;
  /** Members whose coming has been told, by instance. */
  knownMembers: Map<string, Role> | null = null;
  shardFailures = new Map<number, number>();
  /** The control that was last written to each shard's log. */
  readonly controlTold = new Map<number, { revision: number; at: number }>();
  lastApplied = 0;
  /** When the job last got on, in the coordinator's time. */
  movedAt: number;
  /** Until when it could not get on, for want of room or the like. */
  excusedAt = 0;
  #stored: Revised<JobRecord>;
  #savedAt = 0;

  constructor(stored: Revised<JobRecord>, deps: CoordinatorDependencies, options: CoordinatorOptions) {
    this.#stored = stored;
    this.deps = deps;
    this.options = options;
    this.movedAt = deps.clock.now();
    this.tracker.sequence = coordinationOf(stored.value).eventSequence;
  }

  get id(): string {
    return this.#stored.value.id;
  }
  get record(): JobRecord {
    return this.#stored.value;
  }
  /** Alive, and meant by the job's cluster. */
  get members(): Member[] {
    const { cluster } = this.record.spec;
    return this.deps.cluster.members().filter((member) => servesJob(cluster, member.role, member));
  }
  get ended(): boolean {
    return isTerminal(this.record.state);
  }
  get now(): number {
    return this.deps.clock.now();
  }
  get at(): string {
    return new Date(this.now).toISOString();
  }

  /** Takes a record that was read; an older one than ours is ignored. */
  refresh(stored: Revised<JobRecord>): void {
    if (stored.revision > this.#stored.revision) this.#stored = stored;
  }

  /** @throws DownpourError `conflict` when somebody else (a cancel) was faster: look again. */
  async save(record: JobRecord): Promise<void> {
    const revision = await this.deps.jobs.update(record, this.#stored.revision);
    this.#stored = { value: record, revision };
    this.#savedAt = this.now;
    this.tracker.settled(coordinationOf(record).eventSequence);
  }

  async move(to: JobState, reason: string | null = null, changes: Partial<JobRecord> = {}): Promise<void> {
    const from = this.record.state;
    await this.save({ ...moveTo(this.folded(isTerminal(to)), to, this.at, reason), ...changes });
    this.attempts = 0;
    this.movedAt = this.now;
    const level = to === 'failed' ? 'warn' : 'info';
    this.deps.log[level]({ job: this.id, from, to, reason }, `Job ${this.id} is ${to}`);
  }

  fail(reason: string): Promise<void> {
    return this.move('failed', reason);
  }

  /** Says what the job waits for; null: for nothing. Written only when it changes. */
  async say(reason: string | null): Promise<void> {
    if (this.record.reason !== reason) await this.save({ ...this.folded(), reason });
  }

  async savePlan(plan: JobPlan): Promise<void> {
    const revision = await this.deps.plans.put(plan, this.plan?.revision ?? null);
    this.plan = { value: plan, revision };
  }

  coordinate(changes: Partial<ReturnType<typeof coordinationOf>>): JobRecord {
    const record = this.folded();
    return { ...record, coordination: { ...coordinationOf(record), ...changes } };
  }

  /** The record with what the events have said so far; `toTheEnd`: the one that decides the job's end as well. */
  folded(toTheEnd = false): JobRecord {
    const eventSequence = toTheEnd ? this.tracker.sequence : this.tracker.undecidedSequence;
    const news = this.tracker.newEvaluations(eventSequence);
    const coordination = coordinationOf(this.record);
    const plateau = plateauAfter(this.record.spec, coordination.plateau, news);
    const earlyStopping = earlyStoppingAfter(this.record.spec, coordination.earlyStopping, news);
    const evaluations = [...this.record.evaluations, ...news].slice(-KEPT_EVALUATIONS);
    const ledger = this.tracker.ledgers(this.plan?.value.shards.length ?? 0);
    return {
      ...this.record,
      evaluations,
      progress: this.progress() ?? this.record.progress,
      // Once the books are closed no event changes them.
      ledger: ledger.length > 0 && !this.ended ? ledger : this.record.ledger,
      coordination: { ...coordination, eventSequence, plateau, earlyStopping },
    };
  }

  progress(): JobProgress | null {
    const plan = this.plan?.value;
    if (plan === undefined || this.tracker.ledgers(plan.shards.length).length < plan.shards.length) return null;
    const workers = available(this.members, 'worker').map(({ instance }) => instance);
    return this.tracker.progress(plan.shards.length, pushesInEpoch(plan.chunks), workers, this.now);
  }

  /** Writes progress now and then, and evaluations at once. */
  async saveProgress(): Promise<void> {
    const due = this.now - this.#savedAt >= this.options.progressMs;
    const upTo = this.tracker.undecidedSequence;
    const news = upTo > coordinationOf(this.record).eventSequence;
    if ((due && news) || this.tracker.newEvaluations(upTo).length > 0) await this.save(this.folded());
  }
}
