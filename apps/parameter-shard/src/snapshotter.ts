import type { LogFollower, PushLog, SnapshotPolicyOptions, SnapshotStore } from '@downpour/parameters';
import { keepSnapshot, SnapshotPolicy } from '@downpour/parameters';
import type { ParameterShard } from '@downpour/parameters';
import type { ProblemReporter } from './problem-reporter.ts';
import type { ShardMetrics } from './shard.metrics.ts';

/** A store that failed is not asked again at once. */
const RETRY_MS = 5000;

/**
 * Snapshots by size leave twice `mostLogBytes` in the log. With more of it (the store was away, nobody owned the shard, an owner has replayed a full log) the log
 * may be full, so that no push would come to make another snapshot due, and it is trimmed up to this one.
 */
const CROWDED = 2.5;

export interface SnapshotterParts {
  shard: ParameterShard;
  follower: LogFollower;
  log: PushLog;
  store: SnapshotStore;
  /** Positions that recovery found damaged. */
  damaged: Set<number>;
  policy: SnapshotPolicyOptions;
  /** This process may still store snapshots of the shard, and trim its log. */
  isOwner: () => boolean;
  problems: ProblemReporter;
  metrics: ShardMetrics;
}

/**
 * Takes the snapshots of one shard that is being served. The state is copied in one go, then hashed and stored while pushes are applied
 * and pulls answered; one at a time.
 */
export class Snapshotter {
  readonly #parts: SnapshotterParts;
  readonly #policy: SnapshotPolicy;
  #underWay: Promise<void> | null = null;
  #notBefore = 0;
  /** Bytes of log so far; at the snapshot before; at the one that the log is trimmed behind. */
  #logged = 0;
  #snapshotAt = 0;
  #trimmedTo = 0;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
    this.#policy = new SnapshotPolicy(parts.policy, parts.shard.bytes, performance.now());
  }

  /** Bytes of log whose pushes were applied, or dropped. */
  applied(bytes: number): void {
    this.#logged += bytes;
    this.#policy.applied(bytes);
    this.consider();
  }

  /** Begins a snapshot if one is due. */
  consider(): void {
    const now = performance.now();
    if (this.#underWay !== null || now < this.#notBefore || !this.#policy.due(now)) return;
    if (this.#parts.isOwner()) this.#begin();
  }

  /** Whether there is something that no snapshot holds. */
  get pending(): boolean {
    return this.#policy.pending;
  }

  /** What no snapshot holds yet is stored; call once nothing is applied any more. False: that did not work. */
  async final(): Promise<boolean> {
    await this.settled();
    if (this.#policy.pending && this.#parts.isOwner()) void this.#begin();
    // Of two that have waited one begins it: the other must not take for stored what is on its way.
    await this.settled();
    return !this.#policy.pending;
  }

  /** Nothing is being stored any more. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  /** The job has ended: what was stored since its snapshots were removed goes, too. */
  async discard(): Promise<void> {
    await this.settled();
    const { store } = this.#parts;
    for (const { name } of await store.list()) await store.remove(name);
  }

  #begin(): Promise<void> {
    this.#underWay = this.#take().finally(() => (this.#underWay = null));
    return this.#underWay;
  }

  async #take(): Promise<void> {
    const { shard, follower, log, store, damaged, isOwner, problems, metrics } = this.#parts;
    const began = performance.now();
    const bytes = this.#policy.taken(began);
    const logged = this.#logged;
    const crowded = logged - this.#trimmedTo > CROWDED * (this.#parts.policy.mostLogBytes ?? Infinity);
    try {
      const stored = await keepSnapshot(
        shard,
        follower.safePosition(shard.firstHeld),
        store,
        log,
        damaged,
        isOwner,
        crowded,
      );
      if (!stored) return this.#policy.applied(bytes);
      this.#trimmedTo = crowded ? logged : this.#snapshotAt;
      this.#snapshotAt = logged;
      metrics.snapshotStored(performance.now() - began);
    } catch (error) {
      this.#policy.applied(bytes);
      this.#notBefore = performance.now() + RETRY_MS;
      metrics.snapshotFailed();
      const why = error instanceof Error ? error.message : String(error);
      problems.tell(
        'snapshot-failed',
        `Shard ${shard.identity.shard} could not store a snapshot: ${why}. The push log grows until it can.`,
      );
    }
  }
}
