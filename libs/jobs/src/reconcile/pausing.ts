import { settledPushes } from '@downpour/contracts';
import type { JobPlan, ShardPlacement } from '@downpour/contracts';
import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { pauseCheckpoint } from './checkpoints.ts';

/**
 * Lets a job come to rest: workers finish the chunks in hand and take no more, shards apply what is in the log, a checkpoint is taken, and
 * then everybody lets go. Nothing depends on it having gone well: what a worker did not finish is given out again, what a shard did not
 * apply is in its log. So it goes on without those that take longer than `pausePatienceMs`.
 */
export async function reconcilePausing(run: JobRun): Promise<void> {
  if (run.tracker.fatal !== null) return run.fail(run.tracker.fatal);
  const plan = run.plan?.value;
  // Paused before it had a plan, or again before it got on.
  if (plan === undefined || plan.phase === 'paused') return run.move('paused');
  if (plan.phase === 'training') await run.savePlan({ ...plan, phase: 'pausing' });
  if (run.record.startedAt !== null) {
    const pausedAt = Date.parse(coordinationOf(run.record).pausedAt ?? run.at);
    // What was computed of an evaluation of L-BFGS is worth nothing: the iteration is done again.
    const settles = plan.spec.strategy.kind !== 'sandblaster';
    const waits = (await heldBy(run)) ?? (settles ? await unsettled(run, plan) : null);
    if (waits !== null && run.now - pausedAt < run.options.pausePatienceMs) return run.say(waits);
    const checkpoint = await pauseCheckpoint(run);
    if (checkpoint === 'pending') return run.say('writing a checkpoint');
  }
  const { value } = run.plan!;
  await run.savePlan({ ...value, phase: 'paused', shards: fenceOwners(value.shards) });
  await run.move('paused');
}

/** The plan in force again, whoever owned its shards; who has gone meanwhile is replaced at the next look. */
export async function resumePlan(run: JobRun, plan: JobPlan): Promise<void> {
  if (plan.phase === 'training') return;
  const shards = plan.phase === 'paused' ? fenceOwners(plan.shards) : plan.shards;
  await run.savePlan({ ...plan, phase: 'training', shards });
}

/** Into a pause and out of it: a plan that comes late must not stand for a newer one. */
function fenceOwners(shards: readonly ShardPlacement[]): ShardPlacement[] {
  return shards.map((placement) => ({ ...placement, ownership: placement.ownership + 1 }));
}

/** Who still works on the job; null: nobody. A worker that does not answer has left, or its lease of the chunk runs out. */
async function heldBy(run: JobRun): Promise<string | null> {
  const { cluster } = run.deps;
  const workers = run.members.filter(({ role }) => role === 'worker');
  const holds = await Promise.all(
    workers.map(({ instance }) =>
      cluster.holds(instance, run.id).then(
        (held) => (held ? instance : null),
        () => instance,
      ),
    ),
  );
  const holders = holds.filter((instance) => instance !== null);
  return holders.length === 0 ? null : `waiting for ${holders.join(', ')} to finish the chunks in hand`;
}

/** The shards have settled nothing more since the last look, and the same, unless a strategy has dropped some as late on one of them and not on others. */
async function unsettled(run: JobRun, plan: JobPlan): Promise<string | null> {
  let late = false;
  const counts = await Promise.all(
    plan.shards.map(async ({ shard, instance }) => {
      if (instance === null) return null;
      const answer = await run.deps.cluster.ledger(instance, run.id, shard).catch(() => null);
      late ||= (answer?.ledger.lateDropped ?? 0) > 0;
      return answer && settledPushes(answer.ledger);
    }),
  );
  const seen = counts.join(' ');
  const same = seen === run.lastSettled && (late || new Set(counts).size === 1) && !counts.includes(null);
  run.lastSettled = seen;
  return same ? null : 'waiting for the shards to apply what is in the push log';
}
