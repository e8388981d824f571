import { expectedPushes } from './chunk-arithmetic.ts';
import type { ShardLedger } from './job.ts';
import type { ChunkPlan } from './layout.ts';

/*
 * How a shard's account adds up. Every push of the plan is settled once: applied, or dropped for NaN and infinity.
 *
 *     applied + badDropped + missing    = expected             missing = 0 at the end of a job that ran all its epochs
 *     examplesApplied + examplesDropped = examples * epochs    when missing = 0
 *
 * Both sides of both are counted apart: `expected` comes from the plan, the others from what the shard did. The second counts examples, so a push
 * that held another part of its chunk than the plan says would show. `duplicatesDropped`, `lateDropped` and `refused` are deliveries beyond these: whatever they
 * are, nothing is lost or counted twice. A push that came too late for its strategy is one of them: it is trained again, and settled then.
 */

/** Pushes that need not come any more. */
export function settledPushes(ledger: Pick<ShardLedger, 'applied' | 'badDropped'>): number {
  return ledger.applied + ledger.badDropped;
}

/** Pushes that are still to come; after an early stop, those that never came. */
export function missingPushes(ledger: Pick<ShardLedger, 'expected' | 'applied' | 'badDropped'>): number {
  return ledger.expected - settledPushes(ledger);
}

/** What is wrong with one shard's account, or null. `stoppedEarly`: pushes may be missing. */
export function accountProblem(ledger: ShardLedger, plan: ChunkPlan, stoppedEarly: boolean): string | null {
  const { shard, expected, applied, badDropped, examplesApplied, examplesDropped } = ledger;
  const planned = expectedPushes(plan);
  if (expected !== planned) return `shard ${shard} expects ${expected} pushes, and the plan has ${planned}`;
  const sum = `${applied} applied + ${badDropped} bad`;
  const missing = missingPushes(ledger);
  if (missing < 0) return `shard ${shard} has settled more pushes than there are: ${sum} > ${expected} expected`;
  if (missing > 0 && !stoppedEarly) return `shard ${shard} lacks ${missing} pushes: ${sum} < ${expected} expected`;
  const examples = plan.examples * plan.epochs;
  const counted = examplesApplied + examplesDropped;
  if (missing === 0 ? counted !== examples : counted > examples)
    return `shard ${shard} counts ${counted} examples (${examplesApplied} applied + ${examplesDropped} dropped), and its pushes have ${examples}`;
  return null;
}

/** What is wrong with the accounts of a job's shards, or null: every shard has one, and each adds up. */
export function accountsProblem(
  ledgers: readonly ShardLedger[],
  plan: ChunkPlan,
  shards: number,
  stoppedEarly: boolean,
): string | null {
  for (let shard = 0; shard < shards; shard++) {
    const ledger = ledgers.find((account) => account.shard === shard);
    if (ledger === undefined) return `shard ${shard} has given no account`;
    const problem = accountProblem(ledger, plan, stoppedEarly);
    if (problem !== null) return problem;
  }
  return null;
}
