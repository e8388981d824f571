import { BARRIER_STRATEGIES } from '@downpour/contracts';
import { strategyOf } from '../job-record.ts';
import { endPause } from '../pause.ts';
import type { JobRun } from '../job-run.ts';
import { waitingFor, waitingForTasks } from '../waiting.ts';
import { resumePlan } from './pausing.ts';

export interface PlaceInLine {
  /** Jobs that are being prepared, trained or finished. */
  running: number;
  /** Jobs that wait longer. */
  ahead: number;
}

/** Waits for one of each role, then for its turn. `takeStep`: see Coordinator; two jobs that keep workers in step would wait for each other's. */
export async function reconcileQueued(
  run: JobRun,
  { running, ahead: aheadInLine }: PlaceInLine,
  takeStep: () => string | null,
): Promise<void> {
  const missing = waitingForTasks(run.record.spec.cluster, run.members) ?? waitingFor(run.members);
  const room = run.options.maxRunningJobs - running - aheadInLine;
  const inStep =
    missing === null && room > 0 && BARRIER_STRATEGIES.includes(strategyOf(run.record).kind) ? takeStep() : null;
  if (inStep !== null) return run.say(`waiting for job ${inStep} to end: both keep all workers in step`);
  if (missing === null && room > 0) return run.record.startedAt === null ? run.move('preparing') : goOn(run);
  await run.say(missing ?? `waiting for its turn: ${running} jobs are running, ${aheadInLine} are ahead in line`);
}

/** After a pause: the plan, queue and log are there as they were left. */
async function goOn(run: JobRun): Promise<void> {
  run.plan ??= await run.deps.plans.get(run.id);
  if (run.plan === null) return run.fail('Its plan has vanished from the store');
  await resumePlan(run, run.plan.value);
  await run.move('training', null, { coordination: endPause(run.folded(), run.now) });
}
