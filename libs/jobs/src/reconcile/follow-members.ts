import type { Groups, JobPlan } from '@downpour/contracts';
import { controlOf, warmstartStepsOf } from '@downpour/contracts';
import { formGroups } from '../groups.ts';
import type { JobRun } from '../job-run.ts';
import type { Load, Move } from '../shard-owners.ts';
import { endHandovers, rebalance, repairOwners } from '../shard-owners.ts';
import { available } from '../waiting.ts';

/** An owner that fails to serve a shard is replaced this often before the job is given up. */
const OWNER_FAILURES = 3;

/** When a shard was last moved to even the load, for all jobs of a coordinator. */
export interface MoveTimes {
  movedAt: number;
}

/** Owners of shards, groups of workers and the warmstart worker follow who is alive. */
export async function followMembers(run: JobRun, loads: () => Map<string, Load>, times: MoveTimes): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const members = run.members;
  const failed = failedShards(run, plan);
  const settled = endHandovers(plan.shards, members, (placement) => run.tracker.serves(placement));
  const repaired = repairOwners(settled, members, loads(), failed, hasLog(plan));
  let { shards, moves } = repaired;
  if (moves.length === 0) ({ shards, moves } = evenLoad(run, { ...plan, shards: settled }, loads(), times) ?? repaired);
  const groups = groupsOf(run, plan);
  const warmstartWorker = warmstartOf(run, { ...plan, ...(groups && { groups }) });
  const handedOver = settled.some((placement, at) => placement !== plan.shards[at]);
  const regrouped = JSON.stringify(groups) !== JSON.stringify(plan.groups);
  if (moves.length === 0 && !handedOver && !regrouped && warmstartWorker === plan.warmstartWorker) return;
  await run.savePlan({ ...plan, shards, warmstartWorker, ...(groups && { groups }) });
  if (regrouped) run.deps.log.info({ job: run.id, groups: groups?.formed }, 'Workers are grouped anew');
  report(run, moves);
}

/** Shards whose present owner says that it cannot serve them. Gives the job up when that happens again and again. */
function failedShards(run: JobRun, plan: JobPlan): Set<number> {
  const failed = new Set<number>();
  for (const { shard, ownership } of plan.shards) {
    const event = run.tracker.shard(shard)?.event;
    if (event?.state !== 'failed' || event.ownership !== ownership) continue;
    failed.add(shard);
    const failures = (run.shardFailures.get(shard) ?? 0) + 1;
    run.shardFailures.set(shard, failures);
    if (failures > OWNER_FAILURES)
      run.tracker.fatal ??= `Shard ${shard} fails wherever it is put: ${event.reason ?? ''}`;
  }
  return failed;
}

/** Two processes can follow one log; a push that is in none is known to one of them alone. */
function hasLog(plan: JobPlan): boolean {
  return plan.spec.log.storage !== 'none';
}

/** One at a time, and only while every shard serves: a move costs a replay. Without a log it would cost pushes. */
function evenLoad(run: JobRun, plan: JobPlan, loads: Map<string, Load>, times: MoveTimes) {
  if (run.now - times.movedAt < run.options.rebalanceMs || !hasLog(plan)) return null;
  const serving = plan.shards.every(
    (placement) =>
      placement.previous === undefined &&
      run.tracker.serves(placement) &&
      run.tracker.shard(placement.shard)?.event.complete === false,
  );
  const moved = serving ? rebalance(plan.shards, loads) : null;
  if (moved !== null) times.movedAt = run.now;
  return moved;
}

/** Whoever is there makes up the replicas of a model that is cut. */
function groupsOf(run: JobRun, { cut, groups }: JobPlan): Groups | undefined {
  if (!cut) return undefined;
  const workers = available(run.members, 'worker').map(({ instance }) => instance);
  return formGroups(groups ?? { newest: 0, formed: [] }, cut.partitions, workers);
}

/** Warmstart (paper, section 4.1): one replica alone until every shard has applied so many pushes; another one if it leaves. */
function warmstartOf(run: JobRun, plan: JobPlan): string | null {
  if (plan.warmstartWorker === null) return null;
  if (run.tracker.applied(plan.shards.length) >= warmstartStepsOf(controlOf(plan).strategy)) return null;
  const workers = plan.groups
    ? plan.groups.formed.map(({ members }) => members[0]!)
    : available(run.members, 'worker').map(({ instance }) => instance);
  return workers.includes(plan.warmstartWorker) ? plan.warmstartWorker : (workers[0] ?? plan.warmstartWorker);
}

function report(run: JobRun, moves: readonly Move[]): void {
  for (const { shard, from, to, why } of moves) {
    run.deps.log.info({ job: run.id, shard, from, to }, `Shard ${shard} goes to ${to ?? 'nobody yet'}: ${why}`);
  }
}
