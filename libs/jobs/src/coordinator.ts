import type { JobEvent, JobRecord } from '@downpour/contracts';
import { BARRIER_STRATEGIES, controlOf } from '@downpour/contracts';
import type { CoordinatorOptions } from './coordinator-options.ts';
import { DEFAULT_COORDINATOR_OPTIONS } from './coordinator-options.ts';
import { coordinationOf, strategyOf } from './job-record.ts';
import type { CoordinatorDependencies } from './job-run.ts';
import { JobRun } from './job-run.ts';
import type { Revised } from './ports.ts';
import { announce } from './reconcile/announce.ts';
import { reconcileEnded } from './reconcile/ended.ts';
import { reconcileFinishing } from './reconcile/finishing.ts';
import { followMembers } from './reconcile/follow-members.ts';
import { reconcilePausing } from './reconcile/pausing.ts';
import { reconcilePreparing } from './reconcile/preparing.ts';
import { reconcileQueued } from './reconcile/queued.ts';
import type { PlaceInLine } from './reconcile/queued.ts';
import { tellChanges } from './reconcile/tell-changes.ts';
import { endSandblaster } from './reconcile/sandblaster.ts';
import { reconcileTraining } from './reconcile/training.ts';
import { RUNNING_STATES } from './job-state.ts';
import { judge, messageOf, pauseMs } from './retry.ts';
import type { Load } from './shard-owners.ts';
import { loadsOf } from './shard-owners.ts';

/** Said once an error has come back this often, so that a hiccup does not show. */
const SAID_AFTER_ATTEMPTS = 3;
/** How long a coordinator that is to stop waits for the step it is at. */
const STOP_PATIENCE_MS = 1000;

/**
 * Leads every job to its end. It looks at what is (record, plan, members, events) and does what is missing, again and again: no step
 * depends on the one before having been seen. So it may be stopped at any point, and another one goes on from what is stored. Run one at a
 * time (under a lease); should two overlap, the stores' revisions let only one write.
 */
export class Coordinator {
  readonly #deps: CoordinatorDependencies;
  readonly #options: CoordinatorOptions;
  readonly #runs = new Map<string, JobRun>();
  readonly #follows = new Map<string, Promise<() => void>>();
  readonly #times = { movedAt: 0 };
  #endWatch: (() => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = true;
  readonly #underWay = new Set<Promise<void>>();

  constructor(deps: CoordinatorDependencies, options: Partial<CoordinatorOptions> = {}) {
    this.#deps = { ...deps, wake: (id) => this.#wake(id) };
    this.#options = { ...DEFAULT_COORDINATOR_OPTIONS, ...options };
  }

  /** Takes up all jobs. With `tickMs` 0 nothing happens by itself: call `tick` (tests). */
  async start(): Promise<void> {
    this.#stopped = false;
    this.#endWatch = await this.#deps.jobs.watch((job) => this.#take(job));
    if (this.#options.tickMs === 0) return;
    this.#timer = setInterval(() => void this.tick(), this.#options.tickMs);
    this.poke();
  }

  /** Lets go at the next stored step: a successor may start once this resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#endWatch?.();
    for (const id of [...this.#follows.keys()]) this.#unfollow(id);
    for (const run of this.#runs.values()) run.released = true;
    // What takes longer (a model being prepared) is left to itself: its late writes meet a newer revision and are refused.
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => (timer = setTimeout(resolve, STOP_PATIENCE_MS)));
    await Promise.race([Promise.allSettled(this.#underWay), patience]);
    clearTimeout(timer);
    await Promise.all([...this.#runs.values()].map((run) => endSandblaster(run)));
    this.#runs.clear();
  }

  /** Something changed (members): look at all jobs at once. */
  poke(): void {
    if (!this.#stopped && this.#options.tickMs > 0) void this.tick();
  }

  /** One look at every job that is not settled yet. Resolves when all are done; never rejects. */
  async tick(): Promise<void> {
    const runs = [...this.#runs.values()].sort((a, b) => (a.record.createdAt < b.record.createdAt ? -1 : 1));
    await Promise.all(runs.map((run) => this.#look(run)));
  }

  #take(job: Revised<JobRecord>): void {
    const known = this.#runs.get(job.value.id);
    if (known !== undefined) known.refresh(job);
    else if (!coordinationOf(job.value).cleaned) {
      this.#runs.set(job.value.id, new JobRun(job, this.#deps, this.#options));
    } else return;
    const run = this.#runs.get(job.value.id);
    // A cancel or a new job is acted on at once; our own writes come back as well and need no second look.
    if (run === undefined || (known !== undefined && !run.ended)) return;
    run.attemptAfter = 0;
    if (this.#options.tickMs > 0) void this.#look(run);
  }

  #wake(id: string): void {
    const run = this.#runs.get(id);
    if (run !== undefined && !this.#stopped && this.#options.tickMs > 0) void this.#look(run);
  }

  async #look(run: JobRun): Promise<void> {
    if (run.busy) {
      run.again = true;
      return;
    }
    run.busy = true;
    const done = this.#lookUntilQuiet(run).finally(() => {
      run.busy = false;
      this.#underWay.delete(done);
    });
    this.#underWay.add(done);
    await done;
  }

  async #lookUntilQuiet(run: JobRun): Promise<void> {
    do {
      run.again = false;
      if (this.#stopped || run.now < run.attemptAfter) return;
      const before = run.record.state;
      try {
        await this.#reconcile(run);
        run.attempts = 0;
        // The next state's work is known already.
        if (run.record.state !== before) run.again = true;
      } catch (error) {
        await this.#recover(run, error);
      }
    } while (run.again);
  }

  async #reconcile(run: JobRun): Promise<void> {
    await announce(run);
    const { state } = run.record;
    if (state !== 'training') await endSandblaster(run);
    if (run.ended) {
      await reconcileEnded(run);
      this.#forget(run.id);
      return;
    }
    if (!RUNNING_STATES.includes(state)) run.holdsStep = false;
    if (state === 'queued') return reconcileQueued(run, this.#placeInLine(run), () => this.#takeStep(run));
    if (state === 'paused') return;
    run.plan ??= await this.#deps.plans.get(run.id);
    const loads = () => this.#loads(run);
    if (state === 'preparing') return reconcilePreparing(run, loads);
    await this.#follow(run);
    await tellChanges(run);
    await followMembers(run, loads, this.#times);
    if (state === 'training') await reconcileTraining(run, () => this.#takeStep(run));
    else if (state === 'pausing') await reconcilePausing(run);
    else await reconcileFinishing(run);
  }

  async #recover(run: JobRun, error: unknown): Promise<void> {
    const verdict = judge(error);
    const { log } = this.#deps;
    try {
      if (verdict === 'lookAgain') {
        const stored = await this.#deps.jobs.get(run.id);
        if (stored !== null) run.refresh(stored);
        run.plan = null;
        run.again = run.attempts++ < SAID_AFTER_ATTEMPTS;
        return;
      }
      run.attempts += 1;
      run.attemptAfter = run.now + pauseMs(run.attempts);
      log.warn(
        { job: run.id, err: error, attempts: run.attempts },
        `Job ${run.id} cannot go on yet: ${messageOf(error)}`,
      );
      if (run.ended) return;
      const hopeless = verdict === 'counted' && run.attempts >= this.#options.maxAttempts;
      const tooLong = run.now - run.movedAt > this.#options.stalledJobMs;
      if (verdict === 'fail' || hopeless || tooLong) await run.fail(messageOf(error));
      else if (run.attempts >= SAID_AFTER_ATTEMPTS) await run.say(`${messageOf(error)}; trying again`);
    } catch (second) {
      log.warn({ job: run.id, err: second }, `The state of job ${run.id} cannot be stored yet: ${messageOf(second)}`);
    }
  }

  /** Events from where the record left off; each may call for action. */
  #follow(run: JobRun): Promise<() => void> {
    const known = this.#follows.get(run.id);
    if (known !== undefined) return known;
    const after = coordinationOf(run.record).eventSequence;
    const following = this.#deps.events.follow(run.id, after, (event, sequence) => {
      run.tracker.apply(event, sequence, run.now);
      if (event.type === 'evaluation' && !event.final) run.evaluationAskedAt = null;
      if ((callsForAction(event) || endsHandover(run, event)) && this.#options.tickMs > 0) void this.#look(run);
    });
    this.#follows.set(run.id, following);
    following.catch(() => this.#follows.delete(run.id));
    return following;
  }

  #forget(id: string): void {
    this.#unfollow(id);
    this.#runs.delete(id);
  }

  #unfollow(id: string): void {
    this.#follows.get(id)?.then(
      (end) => end(),
      () => undefined,
    );
    this.#follows.delete(id);
  }

  #placeInLine(run: JobRun): PlaceInLine {
    const others = [...this.#runs.values()].filter((other) => other !== run && !other.ended);
    const queued = others.filter(({ record }) => record.state === 'queued');
    const ahead = queued.filter(({ record: { createdAt, id } }) =>
      createdAt === run.record.createdAt ? id < run.id : createdAt < run.record.createdAt,
    );
    const paused = others.filter(({ record }) => record.state === 'paused');
    const running = others.filter((other) => !queued.includes(other) && !paused.includes(other));
    return { running: running.length, ahead: ahead.length };
  }

  /** Null: workers keep in step for this job from now on. Else the job for which they do. Nothing else runs between the look and the decision. */
  #takeStep(run: JobRun): string | null {
    const holder = [...this.#runs.values()].find((other) => other !== run && keepsStep(other));
    run.holdsStep = holder === undefined;
    return holder?.id ?? null;
  }

  /** Of the processes that may hold the job's shards: what they hold of all jobs. */
  #loads({ members }: JobRun): Map<string, Load> {
    const plans = [...this.#runs.values()].flatMap(({ plan, ended }) =>
      plan === null || ended || plan.value.phase === 'paused' ? [] : [plan.value],
    );
    return loadsOf(members, plans);
  }
}

/** By what it does at present: a job that is to be switched keeps nobody in step yet. */
function keepsStep({ holdsStep, record, plan }: JobRun): boolean {
  const { kind } = plan === null ? strategyOf(record) : controlOf(plan.value).strategy;
  return holdsStep || (RUNNING_STATES.includes(record.state) && BARRIER_STRATEGIES.includes(kind));
}

/** The new owner serves: the one before it waits for the word to let go. */
function endsHandover(run: JobRun, event: JobEvent): boolean {
  if (event.type !== 'shard' || event.state !== 'serving') return false;
  const placement = run.plan?.value.shards[event.shard];
  return placement?.previous !== undefined && placement.ownership === event.ownership;
}

function callsForAction(event: JobEvent): boolean {
  if (event.type === 'shard') return event.complete || event.state === 'failed';
  return event.type === 'evaluation' || (event.type === 'problem' && event.fatal);
}
