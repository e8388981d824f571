import type { JobPlan, ShardControl, StrategySpec } from '@downpour/contracts';
import { BARRIER_STRATEGIES, controlOf, quorumOf } from '@downpour/contracts';
import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { available } from '../waiting.ts';

/** How often a shard that has not told that it follows is written to again. */
const REPEAT_MS = 2000;

/**
 * How shards fold pushes follows what was asked for, who is alive and what is left to do. The plan is the truth; each shard's log gets a record of every change, again until
 * the shard says that it has taken it in. A strategy that keeps workers in step waits while they are kept in step for another job (`takeStep`: see Coordinator).
 */
export async function followControl(run: JobRun, takeStep: () => string | null): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const known = controlOf(plan);
  const wanted = wantedControl(run, plan, takeStep);
  const workers = workersOf(run, wanted.strategy);
  const changed = !same(known, { ...wanted, revision: known.revision });
  if (changed || !same(plan.workers ?? null, workers ?? null)) {
    const { workers: _, ...rest } = plan;
    const control = changed ? wanted : known;
    await run.savePlan({ ...rest, control, ...(workers && { workers }) });
    if (changed) {
      const { strategy, quorum, learningRateFactor } = control;
      run.deps.log.info(
        { job: run.id, strategy: strategy.kind, quorum, learningRateFactor },
        'Shards are to follow another control',
      );
    }
  }
  await publish(run);
}

function wantedControl(run: JobRun, plan: JobPlan, takeStep: () => string | null): ShardControl {
  const strategy = granted(run, plan, takeStep);
  const alive = available(run.members, 'worker').length;
  const { epochsEnqueued, plateau } = coordinationOf(run.record);
  // Of the last chunks not every worker has one.
  const left = epochsEnqueued === plan.chunks.epochs && run.pendingChunks > 0 ? run.pendingChunks : Infinity;
  const able = Math.min(alive, left);
  const { revision, quorum } = controlOf(plan);
  return {
    revision: revision + 1,
    strategy,
    // Without workers there is nobody to wait for it.
    quorum: able === 0 ? quorum : quorumOf(strategy, able),
    learningRateFactor: plateau?.factor ?? 1,
  };
}

/** The strategy that was asked for, or the present one until its turn has come. */
function granted(run: JobRun, plan: JobPlan, takeStep: () => string | null): StrategySpec {
  const present = controlOf(plan).strategy;
  const asked = run.record.strategy ?? plan.spec.strategy;
  const holder = BARRIER_STRATEGIES.includes(asked.kind) ? takeStep() : null;
  run.waitsForStep = holder && `${asked.kind} begins when job ${holder} has ended: both keep all workers in step`;
  if (holder !== null) return present;
  // The shards are told below; until then it keeps what it has.
  run.holdsStep = [asked, present].some(({ kind }) => BARRIER_STRATEGIES.includes(kind));
  return asked;
}

/** Only where they wait for each other must shards know them. */
function workersOf(run: JobRun, { kind }: StrategySpec): string[] | undefined {
  if (!BARRIER_STRATEGIES.includes(kind)) return undefined;
  return available(run.members, 'worker')
    .map(({ instance }) => instance)
    .sort();
}

async function publish(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  // Without a log shards take it from the plan.
  if (plan?.control === undefined || plan.spec.log.storage === 'none') return;
  const { control } = plan;
  for (const { shard } of plan.shards) {
    const follows = run.tracker.shard(shard)?.event.controlRevision ?? 0;
    const told = run.controlTold.get(shard);
    if (follows >= control.revision) continue;
    if (told?.revision === control.revision && run.now - told.at < REPEAT_MS) continue;
    await run.deps.cluster.publishControl(run.id, shard, control);
    run.controlTold.set(shard, { revision: control.revision, at: run.now });
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
