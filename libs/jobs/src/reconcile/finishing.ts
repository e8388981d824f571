import type { ChunkPlan, JobPlan, ShardLedger, ShardPlacement } from '@downpour/contracts';
import { accountsProblem, DownpourError, missingPushes, pushesInEpoch, settledPushes } from '@downpour/contracts';
import { isToStop } from '../early-stopping.ts';
import { coordinationOf } from '../job-record.ts';
import { endCheckpoint } from './checkpoints.ts';
import type { JobRun } from '../job-run.ts';
import { waitingFor, waitingForGroup } from '../waiting.ts';

/** How often the last evaluation is asked for before the job is given up, each after `finalEvaluationMs`. */
const FINAL_ATTEMPTS = 6;

/** Asks for the last evaluation, which exports the model too, and closes the books when it is there. */
export async function reconcileFinishing(run: JobRun): Promise<void> {
  if (run.tracker.fatal !== null) return run.fail(run.tracker.fatal);
  const plan = run.plan?.value;
  if (plan === undefined) return run.fail('Its plan has vanished from the store');
  // A job whose last checkpoint cannot be written has its model all the same.
  const checkpoint = await endCheckpoint(run);
  if (run.tracker.finalEvaluation !== null && checkpoint !== 'pending') return succeed(run, plan);
  const due =
    run.tracker.finalEvaluation === null &&
    (run.finalAskedAt === null || run.now - run.finalAskedAt > run.options.finalEvaluationMs);
  const missing = waitingFor(run.members) ?? waitingForGroup(plan, run.members);
  if (due && missing === null) {
    if (run.finalAttempts >= FINAL_ATTEMPTS) {
      return run.fail(`The last evaluation was asked for ${FINAL_ATTEMPTS} times and never came back`);
    }
    const epoch = run.record.progress?.epochsDone ?? plan.spec.epochs;
    await run.deps.cluster.enqueueEvaluation({ type: 'evaluate', v: 1, jobId: run.id, epoch, final: true });
    run.finalAttempts += 1;
    run.finalAskedAt = run.now;
  }
  await run.say(missing);
  await run.saveProgress();
}

/**
 * Closes the books. The job has succeeded only if every shard's account adds up (contracts' account.ts). A shard that does not answer is waited for unless what
 * is known of it adds up; one that answers and does not ends the job.
 */
async function succeed(run: JobRun, plan: JobPlan): Promise<void> {
  const evaluation = run.tracker.finalEvaluation;
  if (evaluation === null) return;
  const stopped = isToStop(run.folded());
  const closed = await closeLedgers(run, plan);
  const { silent } = closed;
  const { ledger, chunks } = asPlanned(plan, closed.ledger);
  const problem = accountsProblem(ledger, chunks, plan.shards.length, stopped);
  if (problem !== null) {
    if (silent.length === 0) return run.fail(`The ledger does not add up: ${problem}`);
    if (run.now - run.movedAt > run.options.stalledJobMs)
      return run.fail(`The ledger could not be closed: shard ${silent.join(', ')} did not answer`);
    return run.say(`waiting for shard ${silent.join(', ')} to close its ledger`);
  }
  const { startedAt, origin } = run.record;
  const { trainedAt, pausedMs } = coordinationOf(run.record);
  const endedAt = trainedAt ?? run.at;
  const trainingMs = Math.max(1, Date.parse(endedAt) - Date.parse(startedAt ?? endedAt) - pausedMs);
  const examples = Math.min(...ledger.map(({ examplesApplied }) => examplesApplied)) - (origin?.examples ?? 0);
  const progress = run.progress() ?? run.record.progress;
  await run.move('succeeded', null, {
    ledger,
    progress: progress && { ...progress, examplesPerSecond: 0 },
    result: {
      loss: evaluation.loss,
      accuracy: evaluation.accuracy,
      metrics: evaluation.metrics,
      trainingMs,
      examplesPerSecond: (1000 * examples) / trainingMs,
      // L-BFGS leaves no push out: it ends when it has converged, or when it was told to.
      stoppedEarly:
        plan.spec.strategy.kind === 'sandblaster' ? stopped : ledger.some((shard) => missingPushes(shard) > 0),
    },
  });
}

/** How many evaluations L-BFGS takes is known at its end: `epochs` were the most. Every shard must have the same, and each whole. */
function asPlanned(plan: JobPlan, ledgers: ShardLedger[]): { ledger: ShardLedger[]; chunks: ChunkPlan } {
  const { chunks } = plan;
  if (plan.spec.strategy.kind !== 'sandblaster') return { ledger: ledgers, chunks };
  const portions = pushesInEpoch(chunks);
  const epochs = Math.ceil(Math.max(...ledgers.map(settledPushes)) / portions);
  const ledger = ledgers.map((account) => ({ ...account, expected: epochs * portions }));
  return { ledger, chunks: { ...chunks, epochs } };
}

/** Each shard's own account; of those that do not answer (`silent`) the last that was heard. */
async function closeLedgers(run: JobRun, plan: JobPlan): Promise<{ ledger: ShardLedger[]; silent: number[] }> {
  const known = new Map(run.folded().ledger.map((ledger) => [ledger.shard, ledger]));
  const silent: number[] = [];
  const close = async ({ shard, instance }: ShardPlacement): Promise<void> => {
    try {
      if (instance === null) throw new DownpourError('unavailable', `Nobody owns shard ${shard} at present`);
      known.set(shard, (await run.deps.cluster.ledger(instance, run.id, shard)).ledger);
    } catch (error) {
      silent.push(shard);
      run.deps.log.warn({ job: run.id, shard, instance, err: error }, `Shard ${shard} did not close its ledger`);
    }
  };
  await Promise.all(plan.shards.map(close));
  return { ledger: [...known.values()].sort((a, b) => a.shard - b.shard), silent };
}
