import { z } from 'zod';
import { sharesSteps, strategySchema } from './strategy.ts';
import type { StrategySpec } from './strategy.ts';

/**
 * What a shard must know beside the pushes to fold them: part of the plan, and, for each change of it, a record in every shard's log, so that the change has its
 * place among the pushes: a replay comes to the same bits.
 */
export const shardControlSchema = z.strictObject({
  revision: z.int().min(0).describe('Grows with each change; a shard ignores what is older than it knows'),
  strategy: strategySchema,
  quorum: z
    .int()
    .min(1)
    .nullable()
    .describe(
      'Gradients that make a step of sync and localSgd; null: not known yet, or a strategy without steps in common',
    ),
  learningRateFactor: z
    .number()
    .positive()
    .default(1)
    .describe("Times the update rule's learning rate: what reduceOnPlateau has made of it"),
});
export type ShardControl = z.infer<typeof shardControlSchema>;

/** How every shard of a job begins, before its log says otherwise. Of a strategy that takes all workers there are, only the coordinator knows the quorum. */
export function initialControl(strategy: StrategySpec): ShardControl {
  return { revision: 0, strategy, quorum: quorumOf(strategy), learningRateFactor: 1 };
}

/**
 * Gradients that a step takes: of so many replicas as take part, without the backups among them, and never none. `available`: workers alive, or chunks left if these are
 * fewer (tensorflow issue 20342: a fixed number waits for ever).
 */
export function quorumOf(strategy: StrategySpec, available = Infinity): number | null {
  if (!sharesSteps(strategy)) return null;
  const { replicas = Infinity, backups } = strategy;
  const taking = Math.min(replicas, available);
  return taking === Infinity ? null : Math.max(1, taking - backups);
}
