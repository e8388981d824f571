import type {
  JobPlan,
  LedgerReply,
  PullRequest,
  PushPullRequest,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  ShardEvent,
  VectorOperationsReply,
  VectorOperationsRequest,
} from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { BatchShard, CapturedShard, ShardIdentity } from '@downpour/parameters';
import { Ledger, shardIdentity } from '@downpour/parameters';
import type { Logger } from '@downpour/platform';
import type { Tensor } from '@downpour/tensor';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemReporter } from '../problem-reporter.ts';
import type { ReleaseReason, Served } from '../served.ts';
import type { ServedShardParts } from '../served-shard.ts';
import type { FoundIteration } from './iteration-store.ts';
import { IterationStore } from './iteration-store.ts';
import { PointAnswer } from './point-answer.ts';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 3000;

/** Rounds of one coordinator, from one iteration on. */
interface Session {
  name: string;
  /** The last that was done, and its scalars. */
  round: number;
  scalars: number[];
}

export type ServedBatchParts = Omit<ServedShardParts, 'onNews' | 'snapshotPolicy'> & {
  onNews: (shard: Served) => void;
};

/**
 * A shard of a sandblaster job. It loads the newest iteration that is stored, or the job's beginning, and answers pulls from there; what it computes with begins when
 * the coordinator has it go back to an iteration, and is stored when the coordinator commits one. Nothing in between needs to last.
 */
export class ServedBatch implements Served {
  readonly jobId: string;
  readonly shard: number;
  readonly ownership: number;
  readonly #identity: ShardIdentity;
  readonly #parts: ServedBatchParts;
  readonly #log: Logger;
  readonly #problems: ProblemReporter;
  readonly #store: IterationStore;
  readonly #released = new AbortController();
  #owned = true;
  #failed: string | null = null;
  #batch: BatchShard | null = null;
  #stored: Pick<FoundIteration, 'iteration' | 'state'> = { iteration: -1, state: null };
  #session: Session | null = null;
  #storing: Promise<void> = Promise.resolve();
  /** No point that was shown to anybody had a higher one. */
  #highestVersion = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(
    plan: JobPlan,
    shard: number,
    ownership: number,
    history: number,
    parts: ServedBatchParts,
    after: Promise<void>,
  ) {
    this.jobId = plan.jobId;
    this.shard = shard;
    this.ownership = ownership;
    this.#identity = shardIdentity(plan, shard);
    this.#parts = parts;
    this.#log = parts.log.child({ job: plan.jobId, shard, ownership });
    this.#problems = new ProblemReporter(plan.jobId, parts.instance, parts.ports, this.#log);
    this.#store = new IterationStore(plan, this.#identity, history, parts.ports);
    void after.then(() => this.#load());
  }

  get state(): Served['state'] {
    if (this.#failed !== null) return 'failed';
    return this.#batch === null ? 'loading' : 'serving';
  }
  get owned(): boolean {
    return this.#owned;
  }
  get bytes(): number {
    return this.#batch?.bytes ?? 0;
  }

  /** @throws DownpourError loading or unavailable while there is nothing to pull */
  pull({ accepted, ifNotVersion }: PullRequest): PointAnswer {
    return this.#counted(new PointAnswer('pulled', this.#serving(), accepted ? 'accepted' : 'point', ifNotVersion));
  }

  /** Nothing here waits: the coordinator says when a point is complete. */
  async pullInStep(request: PullRequest): Promise<PointAnswer> {
    return this.pull(request);
  }

  follow(): void {}

  /** The gradient of a portion. @throws DownpourError as `pull`; invalid-request when it is none of this shard's */
  pushPull({ push }: PushPullRequest, gradient: Tensor): PointAnswer<'pushPulled'> {
    const batch = this.#serving();
    if (this.#released.signal.aborted)
      throw new DownpourError('not-owner', `Shard ${this.shard} of job ${this.jobId} was let go of`);
    const began = performance.now();
    const outcome = batch.apply(push, gradient);
    const bytes = gradient.data.byteLength;
    this.#bytesIn += bytes;
    this.#parts.metrics.push(outcome, bytes, performance.now() - began);
    if (outcome.kind === 'refused') {
      const { epoch, chunk, worker } = push;
      this.#problems.tell('refused-push', `A push of ${worker} was refused: ${outcome.reason}`, { epoch, chunk });
      throw new DownpourError('invalid-request', `The push was refused: ${outcome.reason}`);
    }
    return new PointAnswer('pushPulled', batch, null);
  }

  /** @throws DownpourError as `pull` */
  ledger(missingBelow?: number): LedgerReply {
    const { ledger, version } = this.#serving();
    const missing = missingBelow === undefined ? undefined : ledger.missingChunks(missingBelow);
    return { type: 'ledger', v: 1, ledger: this.#account(), version, complete: ledger.complete, missing };
  }

  /** @throws DownpourError as `pull` */
  capture(): CapturedShard {
    return this.#serving().capture();
  }

  /** @throws DownpourError as `pull`; not-found when there is no such iteration */
  async restore({ session, iteration }: RestoreVectorsRequest): Promise<RestoreVectorsReply> {
    this.#serving();
    if (iteration !== null) {
      // From here on nothing of an older session is done.
      this.#session = null;
      await this.#storing;
      const found = await this.#store.at(iteration);
      this.#serving();
      this.#released.signal.throwIfAborted();
      this.#take(found);
      this.#session = { name: session, round: 0, scalars: [] };
      this.#log.info({ iteration, session }, `Shard ${this.shard} is at iteration ${iteration}`);
    }
    const { iteration: at, state } = this.#stored;
    const { shard } = this;
    return { type: 'vectorsRestored', v: 1, shard, iteration: at, state, version: this.#highestVersion };
  }

  /** One round; the last one again is answered as it was. @throws DownpourError as `pull`; conflict: go back to an iteration */
  operate({ session: name, round, operations }: VectorOperationsRequest): VectorOperationsReply {
    const batch = this.#serving();
    const session = this.#session;
    if (session?.name !== name || (round !== session.round && round !== session.round + 1))
      throw new DownpourError(
        'conflict',
        `Shard ${this.shard} is not at round ${round} of session ${name}: restore an iteration`,
      );
    if (round > session.round) {
      // Half done if it fails.
      this.#session = null;
      const { scalars, commits } = batch.operate(operations);
      for (const { iteration, file } of commits) {
        const commit = operations.find((each) => each.op === 'commit' && each.iteration === iteration);
        this.#keep(iteration, file, commit?.op === 'commit' ? commit.state : null);
      }
      this.#highestVersion = Math.max(this.#highestVersion, batch.version);
      this.#session = { name, round, scalars };
      return this.#operated(round, scalars);
    }
    return this.#operated(round, session.scalars);
  }

  event(): ShardEvent {
    const batch = this.#batch;
    return {
      type: 'shard',
      at: new Date().toISOString(),
      shard: this.shard,
      instance: this.#parts.instance,
      ownership: this.ownership,
      version: batch?.version ?? 0,
      state: this.state,
      reason: this.#failed,
      ledger: this.#account(),
      complete: false,
      controlRevision: 0,
      stalenessMean: 0,
      stalenessMax: 0,
      bytes: this.bytes,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      epochsApplied: (batch?.ledger.openEpochs() ?? []).flatMap(({ epoch, settled }) => [epoch, settled]),
    };
  }

  tick(): void {}

  handOver(): void {
    this.#owned = false;
  }

  /** What was committed is stored; the evaluation under way is done again by whoever comes next. */
  async prepareToLeave(): Promise<void> {
    await this.#storing;
  }

  async stopFollowing(): Promise<void> {
    this.#released.abort(new Error('The shard was let go of'));
  }

  async finalSnapshot(): Promise<void> {
    await this.#storing;
  }

  /** Never rejects. */
  async release(why: ReleaseReason): Promise<void> {
    if (why === 'paused') await this.#storing;
    this.#owned = false;
    await this.stopFollowing();
    await this.#storing;
    if (why === 'job-ended') await this.#store.discard().catch(() => undefined);
    this.#log.info({ why }, `Let go of shard ${this.shard}`);
  }

  #serving(): BatchShard {
    const name = `Shard ${this.shard} of job ${this.jobId}`;
    if (!this.#parts.fence.holds)
      throw new DownpourError(
        'loading',
        `${name} may have been given to another while this process was away: ask again`,
      );
    if (this.#failed !== null) throw new DownpourError('unavailable', `${name} is lost: its job will be failed`);
    if (this.#batch === null) throw new DownpourError('loading', `${name} is being loaded: ask again`);
    return this.#batch;
  }

  #account(): ShardEvent['ledger'] {
    const { instance } = this.#parts;
    const { shard } = this;
    return (
      this.#batch?.account(instance) ?? { shard, instance, ...new Ledger(this.#identity.chunks).account(), refused: 0 }
    );
  }

  #operated(round: number, scalars: number[]): VectorOperationsReply {
    const { shard } = this;
    return { type: 'vectorsOperated', v: 1, shard, round, scalars, stored: this.#stored.iteration };
  }

  #counted<Answer extends PointAnswer<string>>(answer: Answer): Answer {
    this.#bytesOut += answer.bytes;
    this.#parts.metrics.bytesOut.inc(answer.bytes);
    return answer;
  }

  #take({ iteration, state, batch }: FoundIteration): void {
    this.#batch = batch;
    this.#stored = { iteration, state };
    this.#highestVersion = Math.max(this.#highestVersion, batch.version);
  }

  async #load(): Promise<void> {
    const { signal } = this.#released;
    for (let pauseMs = FIRST_RETRY_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_RETRY_MS)) {
      try {
        const found = await this.#store.newest((name, { message }) =>
          this.#problems.tell('damaged-snapshot', `${name}: ${message}`),
        );
        if (signal.aborted) return;
        this.#take(found);
        this.#log.info({ iteration: found.iteration }, `Serving shard ${this.shard}`);
        return this.#parts.onNews(this);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (error instanceof RangeError) return this.#fail(`Shard ${this.shard} cannot be served: ${why}`);
        this.#problems.tell('shard-loading', `Shard ${this.shard} cannot be loaded yet: ${why}`);
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #keep(iteration: number, file: Uint8Array, state: string | null): void {
    this.#storing = this.#storing.then(() => this.#storeUntilDone(iteration, file, state));
  }

  /** Never rejects. */
  async #storeUntilDone(iteration: number, file: Uint8Array, state: string | null): Promise<void> {
    const began = performance.now();
    for (let pauseMs = FIRST_RETRY_MS; this.#owned; pauseMs = Math.min(2 * pauseMs, MAX_RETRY_MS)) {
      try {
        await this.#store.save(iteration, file, () => this.#owned && this.#parts.fence.holds);
        this.#stored = { iteration, state };
        return this.#parts.metrics.snapshotStored(performance.now() - began);
      } catch (error) {
        this.#parts.metrics.snapshotFailed();
        const why = error instanceof Error ? error.message : String(error);
        this.#problems.tell('snapshot-failed', `Shard ${this.shard} could not store iteration ${iteration}: ${why}`);
        await sleep(pauseMs, undefined, { ref: false });
      }
    }
  }

  #fail(reason: string): void {
    this.#failed = reason;
    if (!this.#owned) return;
    void this.#problems.fatal(reason, this.#released.signal, (signal) => this.#parts.fence.whenHolds(signal));
    this.#parts.onNews(this);
  }
}
