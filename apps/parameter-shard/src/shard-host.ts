import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Standing } from './ownership-fence.ts';
import { OwnershipFence } from './ownership-fence.ts';
import { ServedBatch } from './sandblaster/served-batch.ts';
import type { ReleaseReason, Served } from './served.ts';
import { ServedShard } from './served-shard.ts';
import type { ServedShardParts } from './served-shard.ts';

/** Together they fit into what a stopping process has (SHUTDOWN_TIMEOUT_MS, 10 s). */
const PREPARE_MS = 2500;
const HAND_OVER_MS = 4000;
const FINISH_MS = 3000;
const POLL_MS = 20;

export type ShardHostParts = Omit<ServedShardParts, 'onNews' | 'fence'> & {
  /** Whether the others count on this process. @default always */
  standing?: () => Standing;
};

const TRUSTED: Standing = { confirmed: true, lapses: 0 };

/**
 * The shards that plans give to this process. Plans are followed, not commands: what is served is made to fit each plan as it comes, so a
 * plan that is missed or seen twice changes nothing. One that is older than what was seen of a shard is ignored.
 */
export class ShardHost {
  readonly fence: OwnershipFence;
  readonly #parts: ShardHostParts;
  readonly #served = new Map<string, Served>();
  /** By key, until an old owner in this process has let go. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Newest ownership that a plan has named, by key. */
  readonly #ownerships = new Map<string, number>();
  readonly #listeners = new Set<(shard: Served) => void>();
  /** Takes no more shards. */
  #retiring = false;
  #stopping = false;

  constructor(parts: ShardHostParts) {
    this.#parts = parts;
    const { standing = () => TRUSTED, log } = parts;
    this.fence = new OwnershipFence({ standing, log, verify: () => this.#verify() });
  }

  shards(): Served[] {
    return [...this.#served.values()];
  }

  /** Calls back when a shard has something to tell at once. */
  onNews(listener: (shard: Served) => void): void {
    this.#listeners.add(listener);
  }

  onPlan(plan: JobPlan): void {
    if (this.#stopping) return;
    if (plan.phase === 'paused') return this.#onPaused(plan);
    const wanted = new Set<string>();
    for (const { shard, instance, ownership, previous } of plan.shards) {
      const key = keyOf(plan.jobId, shard);
      // Plans come by two ways, the watch and the fence's own look: the older may come last.
      if (ownership < (this.#ownerships.get(key) ?? 0)) {
        wanted.add(key);
        continue;
      }
      this.#ownerships.set(key, ownership);
      const served = this.#served.get(key);
      if (previous?.instance === this.#parts.instance && served?.ownership === previous.ownership) {
        wanted.add(key);
        served.handOver();
        continue;
      }
      if (instance !== this.#parts.instance) continue;
      wanted.add(key);
      if (served?.ownership === ownership) {
        served.follow(plan);
        continue;
      }
      this.#release(key, 'not-owner');
      if (!this.#retiring) this.#serve(plan, shard, ownership);
    }
    for (const { jobId, shard } of this.shards()) {
      const key = keyOf(jobId, shard);
      if (jobId === plan.jobId && !wanted.has(key)) this.#release(key, 'not-owner');
    }
  }

  /** Shards are stored and let go of. A paused plan has ownerships of its own, so that an older one that comes late gives nothing back. */
  #onPaused({ jobId, shards }: JobPlan): void {
    for (const { shard, ownership } of shards) {
      const key = keyOf(jobId, shard);
      if (ownership < (this.#ownerships.get(key) ?? 0)) return;
      this.#ownerships.set(key, ownership);
    }
    this.#releaseAll(jobId, 'paused');
  }

  /** The job has ended. */
  onRemoved(removed: string): void {
    this.#releaseAll(removed, 'job-ended');
    for (const key of this.#ownerships.keys()) if (key.startsWith(`${removed}/`)) this.#ownerships.delete(key);
  }

  /** @throws DownpourError not-owner: the caller's plan, or ours, is not the newest. */
  find(jobId: string, shard: number, ownership?: number): Served {
    const served = this.#served.get(keyOf(jobId, shard));
    if (served !== undefined && (ownership === undefined || served.ownership === ownership)) return served;
    throw new DownpourError(
      'not-owner',
      served === undefined
        ? `${this.#parts.instance} does not serve shard ${shard} of job ${jobId}: look into the job's plan`
        : `${this.#parts.instance} serves shard ${shard} of job ${jobId} by ownership ${served.ownership}, not ${ownership}: ` +
            "look into the job's plan",
    );
  }

  /** Before others are told that it leaves: so that they have little to replay. */
  async prepareToLeave(): Promise<void> {
    this.#retiring = true;
    const prepared = Promise.all(this.shards().map((shard) => shard.prepareToLeave()));
    await Promise.race([prepared, sleep(PREPARE_MS, undefined, { ref: false })]);
  }

  /** Goes on until others serve all that it has, as long as there are some that could (`possible`), and for HAND_OVER_MS at most. */
  async handOver(possible: () => boolean): Promise<void> {
    const begun = performance.now();
    while (this.#served.size > 0 && possible() && performance.now() - begun < HAND_OVER_MS) await sleep(POLL_MS);
    if (this.#served.size > 0 && possible())
      this.#parts.log.warn('Left before others served its shards: pulls wait until they do');
  }

  /** Takes no shard and no push any more. Pulls are still answered: by what was applied. */
  async stopIntake(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.shards().map((shard) => shard.stopFollowing()));
  }

  /** Stores what no snapshot holds, within FINISH_MS: it saves the next owner a replay, and nothing is lost without. */
  async finish(): Promise<void> {
    const stored = Promise.all([...this.shards().map((shard) => shard.finalSnapshot()), ...this.#leaving.values()]);
    const outcome = await Promise.race([stored, sleep(FINISH_MS, 'late', { ref: false })]);
    this.fence.close();
    if (outcome === 'late')
      this.#parts.log.warn('Left without the last snapshots: the next owners replay the push log');
  }

  #serve(plan: JobPlan, shard: number, ownership: number): void {
    const key = keyOf(plan.jobId, shard);
    const parts = { ...this.#parts, fence: this.fence, onNews: (served: Served) => this.#tell(served) };
    const after = this.#leaving.get(key) ?? Promise.resolve();
    const { strategy } = plan.spec;
    this.#served.set(
      key,
      strategy.kind === 'sandblaster'
        ? new ServedBatch(plan, shard, ownership, strategy.history, parts, after)
        : new ServedShard(plan, shard, ownership, parts, after),
    );
    this.#parts.log.info({ job: plan.jobId, shard, ownership }, `Loading shard ${shard}`);
  }

  async #verify(): Promise<void> {
    for (const jobId of new Set(this.shards().map((shard) => shard.jobId))) {
      const plan = await this.#parts.ports.plan(jobId);
      if (plan === null) this.onRemoved(jobId);
      else this.onPlan(plan);
    }
  }

  #releaseAll(job: string, why: ReleaseReason): void {
    for (const { jobId, shard } of this.shards()) if (jobId === job) this.#release(keyOf(jobId, shard), why);
  }

  #release(key: string, why: ReleaseReason): void {
    const served = this.#served.get(key);
    if (served === undefined) return;
    this.#served.delete(key);
    const left = Promise.all([this.#leaving.get(key), served.release(why)]).then(() => {
      if (this.#leaving.get(key) === left) this.#leaving.delete(key);
    });
    this.#leaving.set(key, left);
  }

  #tell(shard: Served): void {
    for (const listener of this.#listeners) listener(shard);
  }
}

const keyOf = (jobId: string, shard: number): string => `${jobId}/${shard}`;
