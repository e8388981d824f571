import type { JobPlan, LedgerReply, PushHeader, PullRequest, PushPullRequest, ShardEvent } from '@downpour/contracts';
import { controlOf, DownpourError, pushesInChunk } from '@downpour/contracts';
import type {
  ApplyOutcome,
  CapturedShard,
  LogFollower,
  LoggedPush,
  LoggedRecord,
  SnapshotPolicyOptions,
} from '@downpour/parameters';
import type { ParameterShard, ShardIdentity } from '@downpour/parameters';
import {
  captureShard,
  isPush,
  Ledger,
  logShare,
  RECORD_OVERHEAD_BYTES,
  shardIdentity,
  ShardLostError,
  UnloggedPushes,
} from '@downpour/parameters';
import type { Logger } from '@downpour/platform';
import type { Tensor } from '@downpour/tensor';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { OwnershipFence } from './ownership-fence.ts';
import type { ShardPorts } from './ports.ts';
import { ProblemReporter } from './problem-reporter.ts';
import { PullAnswer } from './pull-answer.ts';
import type { ReleaseReason, Served } from './served.ts';
import type { ShardMetrics } from './shard.metrics.ts';
import { loadShard } from './shard-loading.ts';
import type { LoadedShard } from './shard-loading.ts';
import { Snapshotter } from './snapshotter.ts';
import { WaitingPulls } from './waiting-pulls.ts';

const STORE_TRIES = 10;
const STORE_RETRY_MS = 3000;
/** Pushes are applied for so long before pulls get their turn. */
const TURN_MS = 5;

/** Without a log nothing is replayed: a snapshot bounds what has to be computed again. */
const UNLOGGED_SNAPSHOT_MS = 10_000;

export interface ServedShardParts {
  instance: string;
  ports: ShardPorts;
  snapshotPolicy: SnapshotPolicyOptions;
  metrics: ShardMetrics;
  /** Whether this process may act as an owner at all. */
  fence: Pick<OwnershipFence, 'holds' | 'whenHolds'>;
  log: Logger;
  /** Something happened that should be told at once: it serves, it is complete, it failed. */
  onNews: (shard: ServedShard) => void;
}

type State = { kind: 'loading' } | { kind: 'serving'; snapshots: Snapshotter } | { kind: 'failed'; reason: string };

/**
 * One shard that a plan gives to this process, from the moment it is given until it is let go of:
 *
 *     loading   newest whole snapshot, else the initial parameters; then the push log from there to its end. Tried again for as long as it takes.
 *     serving   each push of the log is applied as it comes; pulls are answered; snapshots are taken. While it hands over to
 *               another process it goes on so, but without snapshots, until the other serves.
 *     failed    no state can be had that the log leads to: the job is told, and ends.
 *
 * It does not serve before it has caught up with the log, so no reader ever sees a state older than what the last owner showed. Nor does
 * it act while the fence is down: it may have been replaced.
 */
export class ServedShard implements Served {
  readonly jobId: string;
  readonly shard: number;
  readonly ownership: number;
  readonly #identity: ShardIdentity;
  #plan: JobPlan;
  readonly #parts: ServedShardParts;
  readonly #log: Logger;
  readonly #problems: ProblemReporter;
  readonly #released = new AbortController();
  /** No plan has given it to another. It may follow no log any more and be its owner still: a process that is leaving. */
  #owned = true;
  #state: State = { kind: 'loading' };
  /** The job has no log: pushes come straight from its workers. */
  readonly #unlogged: UnloggedPushes | null;
  #completionKept = false;
  readonly #waitingPulls = new WaitingPulls();
  #fold: ParameterShard | null = null;
  #follower: LogFollower | null = null;
  readonly #mostLogBytes: number | undefined;
  #lastSequence = 0;
  #turnBegan = 0;
  /** Applied before there was somebody to take snapshots of it. */
  #replayedBytes = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** Begins to load once `after` has resolved: an older self of this process has let go. */
  constructor(plan: JobPlan, shard: number, ownership: number, parts: ServedShardParts, after: Promise<void>) {
    this.jobId = plan.jobId;
    this.shard = shard;
    this.ownership = ownership;
    this.#identity = shardIdentity(plan, shard);
    this.#plan = plan;
    const { maxBytes } = plan.spec.log;
    const { length, jobLength } = this.#identity;
    if (!plan.spec.keepLog) this.#mostLogBytes = maxBytes && logShare(maxBytes, length, jobLength);
    this.#unlogged = plan.spec.log.storage === 'none' ? new UnloggedPushes(ownership) : null;
    this.#parts = parts;
    this.#log = parts.log.child({ job: plan.jobId, shard, ownership });
    this.#problems = new ProblemReporter(plan.jobId, parts.instance, parts.ports, this.#log);
    void after.then(() => this.#load(plan));
  }

  get state(): State['kind'] {
    return this.#state.kind;
  }

  /** Its plan's owner; false: it hands over, or has let go. */
  get owned(): boolean {
    return this.#owned;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#fold?.bytes ?? 0;
  }

  /** @throws DownpourError loading or unavailable while there is nothing to pull. */
  pull({ encoding, ifNotVersion, chunk }: PullRequest): PullAnswer {
    return this.#counted(new PullAnswer('pulled', this.#serving(), encoding, ifNotVersion, chunk));
  }

  /** As `pull`, once the strategy lets the worker go on. @throws DownpourError waiting: not yet, ask again */
  async pullInStep(request: PullRequest): Promise<PullAnswer> {
    await this.#waitingPulls.answerable(this.#serving(), request);
    return this.pull(request);
  }

  /** A newer plan, by which it is still the owner. */
  follow(plan: JobPlan): void {
    this.#plan = plan;
    if (plan.workers !== undefined) this.#waitingPulls.keep(plan.workers);
    // Where there is a log the change comes in it, at its place.
    if (this.#unlogged !== null) this.#fold?.follow(controlOf(plan));
  }

  /**
   * Applies a push that comes straight from its worker. @throws DownpourError as `pull`; invalid-request when it is none of this shard's;
   * conflict when the job has a log.
   */
  pushPull({ push, pull }: PushPullRequest, gradient: Tensor, scales?: Tensor): PullAnswer<'pushPulled'> {
    const shard = this.#serving();
    const unlogged = this.#unlogged;
    if (unlogged === null || this.#released.signal.aborted)
      throw new DownpourError(
        unlogged === null ? 'conflict' : 'not-owner',
        `Shard ${this.shard} of job ${this.jobId} takes no pushes but from its log`,
      );
    const sequence = unlogged.next();
    const outcome = this.#applied(shard, {
      header: push,
      gradient,
      ...(scales && { scales }),
      sequence,
      firstSequence: sequence,
    });
    if (outcome === null) throw new DownpourError('unavailable', `Shard ${this.shard} is lost: its job will be failed`);
    if (outcome.kind === 'refused')
      throw new DownpourError('invalid-request', `The push was refused: ${outcome.reason}`);
    return this.#counted(new PullAnswer('pushPulled', shard, pull && pull.encoding));
  }

  /** @throws DownpourError as `pull`. */
  ledger(missingBelow?: number): LedgerReply {
    const shard = this.#serving();
    const ledger = shard.account(this.#parts.instance);
    const missing = missingBelow === undefined ? undefined : shard.ledger.missingChunks(missingBelow);
    return { type: 'ledger', v: 1, ledger, version: shard.version, complete: this.#complete, missing };
  }

  /** A copy of what it holds, at one version. @throws DownpourError as `pull`. */
  capture(): CapturedShard {
    return captureShard(this.#serving());
  }

  event(): ShardEvent {
    const fold = this.#fold;
    const { instance } = this.#parts;
    return {
      type: 'shard',
      at: new Date().toISOString(),
      shard: this.shard,
      instance,
      ownership: this.ownership,
      version: fold?.version ?? 0,
      controlRevision: fold?.control.revision ?? 0,
      state: this.#state.kind,
      reason: this.#state.kind === 'failed' ? this.#state.reason : null,
      ledger: fold?.account(instance) ?? {
        shard: this.shard,
        instance,
        ...new Ledger(this.#identity.chunks).account(),
        refused: 0,
      },
      complete: this.#complete,
      stalenessMean: fold?.staleness.mean ?? 0,
      stalenessMax: fold?.staleness.max ?? 0,
      bytes: this.bytes,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      epochsApplied: (fold?.ledger.openEpochs() ?? []).flatMap(({ epoch, settled }) => [epoch, settled]),
    };
  }

  /** Looks whether a snapshot is due by time. */
  tick(): void {
    if (this.#state.kind !== 'serving') return;
    if (this.#fold?.ledger.complete && !this.#complete) void this.#keepCompletion();
    else this.#state.snapshots.consider();
  }

  /** Another owns it now and loads it: answers pulls, as the log goes on, until that one serves. Stores, trims and reports nothing. */
  handOver(): void {
    if (!this.#owned) return;
    this.#owned = false;
    this.#log.info({ version: this.#fold?.version }, `Handing shard ${this.shard} over`);
  }

  /** Stores what no snapshot holds, so that the next owner has less to replay. A job without a log takes no push from here on: it would be lost. */
  async prepareToLeave(): Promise<void> {
    if (this.#unlogged !== null) await this.stopFollowing();
    await this.finalSnapshot();
  }

  /** Applies nothing any more; what is there can still be pulled. Waits for the push in hand, but not for a store that is away. */
  async stopFollowing(): Promise<void> {
    this.#released.abort(new Error('The shard was let go of'));
    await this.#follower?.stop();
  }

  /** After `stopFollowing`: stores what no snapshot holds. */
  async finalSnapshot(): Promise<void> {
    if (this.#state.kind === 'serving') await this.#state.snapshots.final();
  }

  /** Lets go: another process owns it, its job is paused or has ended. Never rejects. */
  async release(why: ReleaseReason): Promise<void> {
    // Nobody else owns a shard of a paused job: it is this one that stores it.
    if (why !== 'paused') this.#owned = false;
    try {
      await this.stopFollowing();
      if (this.#state.kind !== 'serving') return;
      if (why === 'job-ended') await this.#state.snapshots.discard();
      else if (why === 'paused') await this.#storeAll(this.#state.snapshots);
      else await this.#state.snapshots.settled();
    } catch (error) {
      this.#log.warn({ err: error }, 'Letting go of a shard was not clean');
    } finally {
      this.#owned = false;
      this.#log.info({ why, version: this.#fold?.version }, `Let go of shard ${this.shard}`);
    }
  }

  /** Without it the log has what is missing, where the job has one; so it does not go on for ever. */
  async #storeAll(snapshots: Snapshotter): Promise<void> {
    for (let tries = 1; !(await snapshots.final()) && tries < STORE_TRIES; tries++)
      await sleep(STORE_RETRY_MS, undefined, { ref: false });
  }

  #counted<Answer extends PullAnswer<string>>(answer: Answer): Answer {
    this.#bytesOut += answer.bytes;
    this.#parts.metrics.bytesOut.inc(answer.bytes);
    return answer;
  }

  /** Every push has been applied, and will have been for whoever owns the shard next. */
  get #complete(): boolean {
    return this.#fold?.ledger.complete === true && (this.#unlogged === null || this.#completionKept);
  }

  /** Of a shard without a log only a snapshot lasts. */
  async #keepCompletion(): Promise<void> {
    if (this.#state.kind !== 'serving') return;
    const { snapshots } = this.#state;
    await snapshots.final();
    if (snapshots.pending || this.#completionKept) return;
    this.#completionKept = true;
    this.#parts.onNews(this);
  }

  #serving(): ParameterShard {
    const { kind } = this.#state;
    const name = `Shard ${this.shard} of job ${this.jobId}`;
    if (!this.#parts.fence.holds)
      throw new DownpourError(
        'loading',
        `${name} may have been given to another while this process was away: ask again`,
      );
    if (kind === 'serving' && this.#fold !== null) return this.#fold;
    if (kind === 'loading') throw new DownpourError('loading', `${name} is being loaded: ask again`);
    throw new DownpourError('unavailable', `${name} is lost: its job will be failed`);
  }

  async #load(plan: JobPlan): Promise<void> {
    const { ports } = this.#parts;
    try {
      const loaded = await loadShard({
        plan,
        identity: this.#identity,
        unlogged: this.#unlogged,
        ports,
        problems: this.#problems,
        signal: this.#released.signal,
        onRecovered: ({ shard, position }) => {
          this.#fold = shard;
          this.#lastSequence = position;
          this.#replayedBytes = 0;
        },
        onFollower: (follower) => void (this.#follower = follower),
        take: (fold, push) => this.#take(fold, push),
        hasFailed: () => this.#state.kind === 'failed',
      });
      // Between its last look and this one it may have been let go of, or have failed over a push.
      if (loaded !== null && !this.#released.signal.aborted && this.#state.kind === 'loading') this.#serve(loaded);
    } catch (error) {
      if (!(error instanceof ShardLostError)) throw error;
      this.#fail(error.message);
    }
  }

  #serve({ replayed, ms, ...loaded }: LoadedShard): void {
    const { metrics, snapshotPolicy } = this.#parts;
    const snapshots = new Snapshotter({
      ...loaded,
      policy: this.#unlogged
        ? { logBytes: Infinity, intervalMs: Math.min(snapshotPolicy.intervalMs, UNLOGGED_SNAPSHOT_MS) }
        : { ...snapshotPolicy, mostLogBytes: this.#mostLogBytes },
      isOwner: () => this.#owned && this.#parts.fence.holds,
      problems: this.#problems,
      metrics,
    });
    this.#state = { kind: 'serving', snapshots };
    this.#completionKept = loaded.shard.ledger.complete;
    this.follow(this.#plan);
    snapshots.applied(this.#replayedBytes);
    this.#log.info({ version: loaded.shard.version, replayed, ms }, `Serving shard ${this.shard}`);
    this.#parts.onNews(this);
  }

  /** The next record of the log. Pulls get a turn when pushes keep coming. */
  #take(fold: ParameterShard, record: LoggedRecord): void | Promise<void> {
    if (this.#released.signal.aborted || this.#state.kind === 'failed') return;
    if (record.sequence <= this.#lastSequence)
      return this.#fail(
        `The push log of shard ${this.shard} begins anew at ${record.sequence} after ${this.#lastSequence}: NATS has lost it. ` +
          'Submit the job again, with log.storage "file" if it was "memory".',
      );
    this.#lastSequence = record.sequence;
    if (this.#applied(fold, record) === null) return;
    const now = performance.now();
    if (now - this.#turnBegan < TURN_MS) return;
    return nextTurn().then(() => void (this.#turnBegan = performance.now()));
  }

  /** Null when it could not be applied: the shard has failed then. */
  #applied(fold: ParameterShard, record: LoggedRecord): ApplyOutcome | null {
    try {
      return isPush(record) ? this.#apply(fold, record) : this.#change(fold, record);
    } catch (error) {
      // Half applied, perhaps: what it holds now is no fold over the log.
      this.#fail(
        `Shard ${this.shard} could not apply a push: ${String(error)}. This is a defect: see the log of its process.`,
      );
      return null;
    }
  }

  #change(fold: ParameterShard, record: LoggedRecord): ApplyOutcome {
    const outcome = fold.apply(record);
    const { strategy, quorum, revision } = fold.control;
    this.#log.info({ strategy: strategy.kind, quorum, revision }, `Shard ${this.shard} follows another control`);
    this.#waitingPulls.changed();
    // The coordinator repeats what no shard has told.
    this.#parts.onNews(this);
    return outcome;
  }

  #apply(fold: ParameterShard, push: LoggedPush): ApplyOutcome {
    const began = performance.now();
    const complete = fold.ledger.complete;
    const outcome = fold.apply(push);
    const bytes = push.gradient.data.byteLength + (push.scales?.data.byteLength ?? 0);
    this.#bytesIn += bytes;
    this.#parts.metrics.push(outcome, bytes, performance.now() - began);
    if (outcome.kind === 'refused') {
      const { epoch, chunk, worker } = push.header;
      this.#problems.tell('refused-push', `A push of ${worker} was refused: ${outcome.reason}`, { epoch, chunk });
    }
    if (outcome.kind === 'bad') {
      const { epoch, chunk } = push.header;
      if (!outcome.fatal) this.#problems.tell('bad-gradient', outcome.reason, { epoch, chunk });
      else
        void this.#problems.fatal(
          outcome.reason,
          this.#released.signal,
          (signal) => this.#parts.fence.whenHolds(signal),
          {
            code: 'bad-gradient',
            chunk: { epoch, chunk },
          },
        );
    }
    // One that was replayed may be none of the plan: nothing is known of its chunk.
    if (outcome.kind !== 'refused' && outcome.kind !== 'replayed') this.#letPullsGoOn(push.header);
    // Dropped ones take room in the log, too.
    if (outcome.kind !== 'replayed') {
      const logged = bytes + RECORD_OVERHEAD_BYTES;
      if (this.#state.kind === 'serving') this.#state.snapshots.applied(logged);
      else this.#replayedBytes += logged;
    }
    if (!complete && fold.ledger.complete && this.#state.kind === 'serving') {
      if (this.#unlogged === null) this.#parts.onNews(this);
      else void this.#keepCompletion();
    }
    return outcome;
  }

  /** A chunk that is trained again may end before its last push, which was settled the first time. */
  #letPullsGoOn({ epoch, chunk, push, worker }: PushHeader): void {
    const all = pushesInChunk(this.#identity.chunks, chunk);
    if (push === all - 1 || this.#fold?.ledger.settledPushes({ epoch, chunk }).length === all)
      this.#waitingPulls.finished(worker, epoch, chunk);
    else this.#waitingPulls.changed();
  }

  #fail(reason: string): void {
    this.#state = { kind: 'failed', reason };
    if (!this.#owned) return;
    void this.#problems.fatal(reason, this.#released.signal, (signal) => this.#parts.fence.whenHolds(signal));
    this.#parts.onNews(this);
  }
}
