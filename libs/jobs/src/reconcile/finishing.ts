import type { ShardLedger, ShardPlacement } from '@downpour/contracts';
import type { JobRun } from '../job-run.ts';
import { waitingFor } from '../waiting.ts';

/** How often the last evaluation is asked for before the job is given up, each after `finalEvaluationMs`. */
const FINAL_ATTEMPTS = 6;

/** Asks for the last evaluation, which exports the model too, and closes the books when it is there. */
export async function reconcileFinishing(run: JobRun): Promise<void> {
  if (run.tracker.fatal !== null) return run.fail(run.tracker.fatal);
  const plan = run.plan?.value;
  if (plan === undefined) return run.fail('Its plan has vanished from the store');
  if (run.tracker.finalEvaluation !== null) return succeed(run);
  const due = run.finalAskedAt === null || run.now - run.finalAskedAt > run.options.finalEvaluationMs;
  const missing = waitingFor(run.deps.cluster.members());
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

async function succeed(run: JobRun): Promise<void> {
  const evaluation = run.tracker.finalEvaluation;
  if (evaluation === null) return;
  const ledger = await closeLedgers(run);
  const { startedAt, coordination } = run.folded();
  const trainedAt = coordination?.trainedAt ?? run.at;
  const trainingMs = Math.max(1, Date.parse(trainedAt) - Date.parse(startedAt ?? trainedAt));
  const examples = Math.min(...ledger.map(({ examplesApplied }) => examplesApplied));
  const progress = run.progress() ?? run.record.progress;
  await run.move('succeeded', null, {
    ledger,
    progress: progress && { ...progress, examplesPerSecond: 0 },
    result: {
      loss: evaluation.loss,
      accuracy: evaluation.accuracy,
      trainingMs,
      examplesPerSecond: (1000 * examples) / trainingMs,
      stoppedEarly: ledger.some(({ applied, expected }) => applied < expected),
    },
  });
}

/** Each shard's own account; its last event where it does not answer any more. */
async function closeLedgers(run: JobRun): Promise<ShardLedger[]> {
  const known = new Map(run.folded().ledger.map((ledger) => [ledger.shard, ledger]));
  const close = async ({ shard, instance }: ShardPlacement): Promise<void> => {
    if (instance === null) return;
    try {
      known.set(shard, (await run.deps.cluster.ledger(instance, run.id, shard)).ledger);
    } catch (error) {
      run.deps.log.warn({ job: run.id, shard, instance, err: error }, `Shard ${shard} did not close its ledger`);
    }
  };
  await Promise.all((run.plan?.value.shards ?? []).map(close));
  return [...known.values()].sort((a, b) => a.shard - b.shard);
}
