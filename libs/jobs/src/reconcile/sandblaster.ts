import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { LbfgsState } from '@downpour/training';
import { dueMultiple } from '../evaluations.ts';
import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { judge, messageOf, pauseMs } from '../retry.ts';
import { ownersOf, SandblasterRun } from '../sandblaster/sandblaster-run.ts';
import { askForEvaluation } from './ask-for-evaluation.ts';

/** Keeps the main loop of a sandblaster job going. True once it has come to its end. */
export async function followSandblaster(run: JobRun, plan: JobPlan, enough: boolean): Promise<boolean> {
  const owners = ownersOf(plan);
  if (run.sandblaster !== null && run.sandblaster.owners !== owners) await endSandblaster(run);
  const outcome = run.sandblaster?.outcome ?? null;
  if (outcome !== null && 'state' in outcome) {
    const { iteration, evaluations, loss, stopped } = outcome.state;
    const { counts } = run.sandblaster!.desk.board;
    run.deps.log.info({ job: run.id, iteration, evaluations, loss, stopped, counts }, 'L-BFGS has come to its end');
    return true;
  }
  if (outcome !== null) await again(run, outcome.error);
  if (run.ended || run.released) return false;
  if (
    run.sandblaster === null &&
    run.now >= run.sandblasterAfter &&
    plan.shards.every((shard) => run.tracker.serves(shard))
  ) {
    run.sandblaster = new SandblasterRun({
      plan,
      cluster: run.deps.cluster,
      onIteration: (state) => tell(run, state),
      onChange: () => run.deps.wake?.(run.id),
    });
  }
  if (enough) run.sandblaster?.enough();
  if (run.sandblaster?.state) run.sandblasterFailures = 0;
  await followEvaluations(run, plan);
  return false;
}

/** One that is lost is made up for by the next. */
function tell(run: JobRun, { iteration, evaluations, loss, gradientSquare, stopped }: LbfgsState): void {
  const counts = { iteration, evaluations, loss, gradientNorm: Math.sqrt(gradientSquare), stopped };
  run.deps.cluster
    .publishEvent(run.id, { type: 'iteration', at: run.at, ...counts })
    .catch((err: unknown) => run.deps.log.warn({ job: run.id, err }, `Iteration ${iteration} could not be told`));
}

/** Nothing is asked of the shards any more when this resolves. */
export async function endSandblaster(run: JobRun): Promise<void> {
  await run.sandblaster?.stop();
  run.sandblaster = null;
}

/** From the last stored iteration, unless it would end the same way. */
async function again(run: JobRun, error: unknown): Promise<void> {
  await endSandblaster(run);
  if (error instanceof RangeError || (error instanceof DownpourError && judge(error) === 'fail'))
    return run.fail(messageOf(error));
  run.sandblasterFailures += 1;
  run.sandblasterAfter = run.now + pauseMs(run.sandblasterFailures - 2);
  run.deps.log.warn({ job: run.id, err: error }, `L-BFGS begins again from its last iteration: ${messageOf(error)}`);
}

/** Every so many iterations; the epoch that it is told with counts evaluations, as the ledger does. */
async function followEvaluations(run: JobRun, plan: JobPlan): Promise<void> {
  const state = run.sandblaster?.state;
  if (!state) return;
  const { evaluateEvery } = plan.spec;
  const due = dueMultiple(evaluateEvery, Infinity, state.iteration, coordinationOf(run.record).evaluationsRequested);
  if (due !== null) await askForEvaluation(run, due, state.evaluations);
}
