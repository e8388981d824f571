import type {
  JobPlan,
  LedgerReply,
  PullReply,
  PullRequest,
  PushPullReply,
  PushPullRequest,
  ShardEvent,
} from '@downpour/contracts';
import type { CapturedShard } from '@downpour/parameters';
import type { OutgoingFrame, Tensor } from '@downpour/tensor';

export type ReleaseReason = 'not-owner' | 'paused' | 'job-ended';

/** One shard that a plan gives to this process, from the moment it is given until it is let go of: whatever its job's strategy makes of pushes. */
export interface Served {
  readonly jobId: string;
  readonly shard: number;
  readonly ownership: number;
  readonly state: 'loading' | 'serving' | 'failed';
  /** Its plan's owner; false: it hands over, or has let go. */
  readonly owned: boolean;
  /** Memory held. */
  readonly bytes: number;
  pull(request: PullRequest): OutgoingFrame<PullReply>;
  /** As `pull`, once the strategy lets the worker go on. */
  pullInStep(request: PullRequest): Promise<OutgoingFrame<PullReply>>;
  /** A newer plan, by which it is still the owner. */
  follow(plan: JobPlan): void;
  pushPull(request: PushPullRequest, gradient: Tensor, scales?: Tensor): OutgoingFrame<PushPullReply>;
  ledger(missingBelow?: number): LedgerReply;
  capture(): CapturedShard;
  event(): ShardEvent;
  tick(): void;
  handOver(): void;
  prepareToLeave(): Promise<void>;
  stopFollowing(): Promise<void>;
  finalSnapshot(): Promise<void>;
  release(why: ReleaseReason): Promise<void>;
}
