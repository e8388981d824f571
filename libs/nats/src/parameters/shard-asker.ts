import { DownpourError } from '@downpour/contracts';
import type { ErrorCode, JobPlan, ShardPlacement } from '@downpour/contracts';
import type { PlanWatcher } from '../kv/plan-watcher.ts';
import { abortWith } from '../link/abort-with.ts';
import { pause } from '../link/pause.ts';

/** A process that has died is noticed by its connection; this is for one that hangs. */
const SILENCE_MS = 5000;
const FIRST_BACKOFF_MS = 10;
const MAX_BACKOFF_MS = 500;
/** What passes by itself: the coordinator names another owner, the owner finishes loading. */
const PASSING: readonly ErrorCode[] = ['unavailable', 'not-owner', 'loading', 'timeout', 'not-found'];
/** The shard is there, and waits itself: it is asked again at once. */
const WAITING: ErrorCode = 'waiting';

/** One question, and what the plan said of its shard. */
interface UnderWay {
  placement: ShardPlacement;
  /** Aborted when a plan says otherwise, and with the signal of who asks. */
  over: AbortController;
}

/** Who is asked for a shard. */
export interface Asked extends Pick<ShardPlacement, 'ownership' | 'ranges'> {
  instance: string;
}

/** Asks for the shards of one job whoever owns them by the newest plan, until somebody has answered. */
export class ShardAsker {
  readonly #plans: Pick<PlanWatcher, 'current' | 'next'>;
  readonly #jobId: string;
  readonly #underWay = new Set<UnderWay>();

  /** Follows the job's plan until `closed`. */
  constructor(plans: Pick<PlanWatcher, 'current' | 'next'>, jobId: string, closed: AbortSignal) {
    this.#plans = plans;
    this.#jobId = jobId;
    void this.#watchOwners(closed);
  }

  /** @throws DownpourError not-found when the job has ended */
  plan(): JobPlan {
    const plan = this.#plans.current(this.#jobId);
    if (plan === null) throw new DownpourError('not-found', `Job ${this.#jobId} has ended: its plan is gone`);
    return plan;
  }

  placement(shard: number): ShardPlacement {
    const placement = this.plan().shards[shard];
    if (placement === undefined)
      throw new DownpourError('internal', `The plan of job ${this.#jobId} has no shard ${shard}`);
    return placement;
  }

  /**
   * Resolves once `question` has. It is put to the owner; by a `reader` during a handover first to the owner before, for the new one is still loading.
   * @throws DownpourError not-found when the job has ended; what the question throws that does not pass by itself; the signal's reason
   */
  async ask(
    shard: number,
    as: 'owner' | 'reader',
    signal: AbortSignal,
    question: (asked: Asked, options: { timeoutMs: number; signal: AbortSignal }) => Promise<void>,
  ): Promise<void> {
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      const placement = this.placement(shard);
      const underWay = { placement, over: new AbortController() };
      let waits = false;
      for (const asked of askedBy(as, placement)) {
        if (underWay.over.signal.aborted) break;
        this.#underWay.add(underWay);
        const alone = abortWith(signal, underWay.over);
        try {
          return await question(asked, { timeoutMs: SILENCE_MS, signal: underWay.over.signal });
        } catch (error) {
          if (error instanceof DownpourError && error.code === WAITING) {
            waits = true;
            break;
          }
          if (!(error instanceof DownpourError) || !PASSING.includes(error.code)) throw error;
        } finally {
          this.#underWay.delete(underWay);
          alone();
        }
      }
      signal.throwIfAborted();
      if (waits || underWay.over.signal.aborted) continue;
      await this.#changeOrPause(backoffMs, signal);
    }
  }

  /** An owner that was killed never answers what had reached it: as soon as a plan names another, that one is asked. */
  async #watchOwners(closed: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#plans.next(this.#jobId, closed);
        // The newest: several may have come at once.
        const shards = this.#plans.current(this.#jobId)?.shards ?? [];
        for (const { placement, over } of this.#underWay) {
          const { shard, ownership, previous } = placement;
          const now = shards[shard];
          if (now?.ownership !== ownership || now.previous?.ownership !== previous?.ownership)
            over.abort(new DownpourError('not-owner', `Shard ${shard} of job ${this.#jobId} has another owner now`));
        }
      }
    } catch {
      // It was closed.
    }
  }

  /** Until the plan changes, or a while. */
  async #changeOrPause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const settled = new AbortController();
    const either = AbortSignal.any([signal, settled.signal]);
    try {
      await Promise.race([this.#plans.next(this.#jobId, either), pause(pauseMs, either)]);
    } finally {
      settled.abort(new Error('settled'));
    }
  }
}

const askedBy = (as: 'owner' | 'reader', { instance, ownership, previous, ranges }: ShardPlacement): Asked[] => [
  ...(as === 'owner' || previous === undefined ? [] : [{ ...previous, ranges }]),
  ...(instance === null ? [] : [{ instance, ownership, ranges }]),
];
