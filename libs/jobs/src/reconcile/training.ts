import { chunksInEpoch, pushesInEpoch } from '@downpour/contracts';
import { isToStop } from '../early-stopping.ts';
import { dueMultiple } from '../evaluations.ts';
import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { epochsToEnqueue } from '../look-ahead.ts';
import { available } from '../waiting.ts';
import { followControl } from './control.ts';
import { askForEvaluation } from './ask-for-evaluation.ts';
import { askQuietShards } from './ask-quiet-shards.ts';
import { mostlyBad } from './mostly-bad.ts';
import { followSandblaster } from './sandblaster.ts';
import { followCheckpoints } from './checkpoints.ts';
import { watchStall } from './watch-stall.ts';

/** Keeps the queue filled and evaluations coming until every push is applied or `stopAt` or `earlyStopping` ends it. */
export async function reconcileTraining(run: JobRun, takeStep: () => string | null): Promise<void> {
  if (run.tracker.fatal !== null) return run.fail(run.tracker.fatal);
  const plan = run.plan?.value;
  if (plan === undefined) return run.fail('Its plan has vanished from the store');
  const bad = mostlyBad(run);
  if (bad !== null) return run.fail(bad);
  await askQuietShards(run);
  const stopped = isToStop(run.folded());
  if (plan.spec.strategy.kind === 'sandblaster') {
    if (await followSandblaster(run, plan, stopped)) return finishTraining(run, stopped);
    if (run.ended) return;
    await followCheckpoints(run);
    await watchStall(run);
    return run.saveProgress();
  }
  if (stopped || run.tracker.complete(plan.shards.length)) return finishTraining(run, stopped);
  // Without a sharder nobody cuts chunks; watchStall says so.
  if (available(run.deps.cluster.members(), 'data-sharder').length > 0) await fillQueue(run);
  await followControl(run, takeStep);
  await followEvaluations(run);
  await followCheckpoints(run);
  await watchStall(run);
  await run.saveProgress();
}

async function finishTraining(run: JobRun, stopped: boolean): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  if (stopped) await run.deps.cluster.purgeChunks(run.id);
  if (plan.phase !== 'finishing') await run.savePlan({ ...plan, phase: 'finishing', warmstartWorker: null });
  const { coordination } = run.coordinate({ trainedAt: run.at });
  await run.move('finishing', null, { coordination });
}

async function fillQueue(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const { cluster } = run.deps;
  const { chunks } = plan;
  const pendingChunks = await cluster.pendingChunks(run.id);
  run.pendingChunks = pendingChunks;
  let { epochsEnqueued } = coordinationOf(run.record);
  let count = epochsToEnqueue(
    {
      epochs: chunks.epochs,
      epochsEnqueued,
      chunksPerEpoch: chunksInEpoch(chunks),
      pendingChunks,
      workers: available(run.members, 'worker').length,
      examplesPerSecond: run.tracker.rate(plan.shards.length, run.now),
      chunkSize: chunks.chunkSize,
    },
    run.options.lookAheadMs,
  );
  if (count === 0) return;
  for (; count > 0; count--) await cluster.enqueueEpoch(run.id, epochsEnqueued++, chunks);
  // Stored last: an epoch that is enqueued twice costs nothing but time, one that is forgotten would end the job nowhere.
  await run.save(run.coordinate({ epochsEnqueued }));
}

async function followEvaluations(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const epochsDone = run.tracker.applied(plan.shards.length) / pushesInEpoch(plan.chunks);
  const { evaluateEvery, epochs } = plan.spec;
  const due = dueMultiple(evaluateEvery, epochs, epochsDone, coordinationOf(run.record).evaluationsRequested);
  if (due !== null) await askForEvaluation(run, due, due * evaluateEvery);
}
