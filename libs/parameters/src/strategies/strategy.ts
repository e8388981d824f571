import type { StrategyOf, StrategySpec } from '@downpour/contracts';

/** What becomes of a push that is one of the plan's, has not come before and is finite. */
export type Verdict =
  /** Applied at once, its learning rate times `rate`. */
  | { kind: 'apply'; rate: number }
  /** Dropped; not settled, so it is trained again. */
  | { kind: 'late' }
  /** Kept until as many are there as make a step. */
  | { kind: 'hold' };

/**
 * How a strategy folds pushes (docs/strategies.md): a function of the push and of how far the shard has moved on since its gradient's parameters were pulled, in versions. Nothing
 * else: a replay of the log must come to the same answer.
 */
export interface ShardStrategy<Spec extends StrategySpec = StrategySpec> {
  judge(spec: Spec, staleness: number): Verdict;
}

/** A strategy's file implements this for its own kind. */
export type StrategyFor<Kind extends StrategySpec['kind']> = ShardStrategy<StrategyOf<Kind>>;

export const APPLY: Verdict = { kind: 'apply', rate: 1 };
export const LATE: Verdict = { kind: 'late' };
export const HOLD: Verdict = { kind: 'hold' };
