import type { CheckpointManifest, JobRecord, PlanOrigin } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { JobRun } from '../job-run.ts';
import { coordinationOf } from '../job-record.ts';
import { makePlan } from '../make-plan.ts';
import type { Load } from '../shard-owners.ts';
import { waitingFor, waitingForTasks } from '../waiting.ts';
import { resumePlan } from './pausing.ts';

/**
 * Has a worker build the model and write the initial parameters, places the layout, makes the streams and lets the plan out. Each
 * step may be done again by a coordinator that takes over; the plan, once stored, is what counts.
 */
export async function reconcilePreparing(run: JobRun, loads: () => Map<string, Load>): Promise<void> {
  const { cluster, datasets } = run.deps;
  const { spec } = run.record;
  if (run.plan === null) {
    const missing = waitingForTasks(run.record.spec.cluster, run.members) ?? waitingFor(run.members);
    if (missing !== null) return run.say(missing);
    const summary = await datasets.summary(spec.dataset);
    if (summary === null) return run.fail(`There is no data set ${spec.dataset} any more`);
    const prepared = await cluster.prepare({
      type: 'prepare',
      v: 1,
      jobId: run.id,
      spec,
      dataset: summary,
    });
    const manifest = await originManifest(run);
    const plan = makePlan(run.record, summary, prepared, run.members, loads(), manifest);
    const { logBytes } = await cluster.createStreams(run.id, { ...plan.spec.log, keep: spec.keepLog });
    // Shards take their snapshots by what the log really has.
    const log = { ...plan.spec.log, ...(logBytes !== null && { maxBytes: logBytes }) };
    await run.savePlan({ ...plan, spec: { ...plan.spec, log } });
  } else await resumePlan(run, run.plan.value);
  const { layout, origin } = run.plan!.value;
  const begun = origin === undefined ? {} : originOfRecord(run, origin);
  await run.move('training', null, { parameters: layout.length, ...begun });
}

/** Of the checkpoint that the job begins from. */
async function originManifest(run: JobRun): Promise<CheckpointManifest | null> {
  const { resumeFrom, warmStartFrom } = run.record.spec;
  const source = resumeFrom ?? warmStartFrom;
  if (source?.checkpoint === undefined) return null;
  try {
    return await run.deps.cluster.checkpointManifest(source.job, source.checkpoint);
  } catch (error) {
    if (!(error instanceof DownpourError) || error.code !== 'not-found') throw error;
    throw new DownpourError(
      'invalid-request',
      `Job ${source.job} has no checkpoint ${source.checkpoint} (any more): GET /v1/jobs/${source.job}/checkpoints lists them`,
      { cause: error },
    );
  }
}

/** What the record says of it; epochs, evaluations and checkpoints count on from there. */
function originOfRecord(run: JobRun, { done: _, ...origin }: PlanOrigin): Partial<JobRecord> {
  const { epoch, learningRateFactor: factor } = origin;
  const { evaluateEvery, checkpointEvery, learningRateSchedule } = run.record.spec;
  const folded = coordinationOf(run.folded());
  const onPlateau = learningRateSchedule?.kind === 'reduceOnPlateau' && factor !== undefined;
  const coordination = {
    ...folded,
    // The rate goes on where it was; what counts as the best so far is seen anew.
    plateau: onPlateau ? { factor, best: null, waited: 0 } : folded.plateau,
    epochsEnqueued: epoch,
    evaluationsRequested: Math.floor(epoch / evaluateEvery),
    checkpointsDue: checkpointEvery === undefined ? 0 : Math.floor(epoch / checkpointEvery),
  };
  return { origin, coordination };
}
