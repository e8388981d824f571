import type { CheckpointManifest, CheckpointReason, CheckpointSummary, JobRecord } from '@downpour/contracts';
import { objects, pushesInEpoch } from '@downpour/contracts';
import { addCheckpoint } from '../checkpoints.ts';
import { dueMultiple } from '../evaluations.ts';
import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { messageOf, pauseMs } from '../retry.ts';

/** A checkpoint that cannot be written so often, with growing pauses, has failed. */
const ATTEMPTS = 6;

/** Writes what is asked for, one at a time, while the job goes on: by time, on request. */
export async function followCheckpoints(run: JobRun): Promise<void> {
  await settleCheckpoint(run);
  await askForCheckpoint(run);
  await beginCheckpoint(run);
}

/** The one of this pause: adds it when it is not there yet. */
export function pauseCheckpoint(run: JobRun): Promise<CheckpointSummary['state']> {
  const since = coordinationOf(run.record).pausedAt ?? '';
  return ownCheckpoint(run, 'pause', ({ at }) => at >= since);
}

/** The one of the job's end. */
export function endCheckpoint(run: JobRun): Promise<CheckpointSummary['state']> {
  return ownCheckpoint(run, 'end', () => true);
}

/** What was asked for and is not written when a job ends never will be. */
export function withoutPending(job: JobRecord): JobRecord {
  const checkpoints = job.checkpoints.map((checkpoint) =>
    checkpoint.state === 'pending'
      ? { ...checkpoint, state: 'failed' as const, reason: `The job was ${job.state} before it was written` }
      : checkpoint,
  );
  return { ...job, checkpoints };
}

async function ownCheckpoint(
  run: JobRun,
  why: CheckpointReason,
  isMine: (checkpoint: CheckpointSummary) => boolean,
): Promise<CheckpointSummary['state']> {
  await settleCheckpoint(run);
  const find = () => run.record.checkpoints.findLast((checkpoint) => checkpoint.why === why && isMine(checkpoint));
  if (find() === undefined) await run.save(addCheckpoint(run.folded(), why, run.at).job);
  await beginCheckpoint(run);
  return find()?.state ?? 'pending';
}

async function askForCheckpoint(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  const every = plan?.spec.checkpointEvery;
  if (plan === undefined || every === undefined) return;
  const epochsDone = run.tracker.applied(plan.shards.length) / pushesInEpoch(plan.chunks);
  const { checkpointsDue } = coordinationOf(run.record);
  const due = dueMultiple(every, plan.chunks.epochs, epochsDone, checkpointsDue);
  // One at a time: where writing takes longer than training, some are left out.
  if (due === null || run.record.checkpoints.some(({ state }) => state === 'pending')) return;
  await run.save(addCheckpoint(run.coordinate({ checkpointsDue: due }), 'interval', run.at).job);
}

/** Has the next one written. A coordinator that takes over finds it written, or begins it again under the same number. */
async function beginCheckpoint(run: JobRun): Promise<void> {
  if (run.checkpointing !== null || run.now < run.checkpointAfter) return;
  const next = run.record.checkpoints.find(({ state }) => state === 'pending');
  if (next === undefined) return;
  const { number, why, at } = next;
  const { cluster, wake } = run.deps;
  const under: NonNullable<JobRun['checkpointing']> = { number, outcome: null };
  run.checkpointing = under;
  const written = await cluster.checkpointManifest(run.id, number).catch(() => null);
  if (written !== null && written.at >= at) {
    under.outcome = { manifest: written };
    return settleCheckpoint(run);
  }
  cluster
    .composeCheckpoint({ type: 'composeCheckpoint', v: 1, jobId: run.id, checkpoint: number, why })
    .then(
      (manifest) => (under.outcome = { manifest }),
      (error: unknown) => (under.outcome = { error }),
    )
    .finally(() => wake?.(run.id));
}

async function settleCheckpoint(run: JobRun): Promise<void> {
  const under = run.checkpointing;
  if (under?.outcome == null) return;
  const { number, outcome } = under;
  run.checkpointing = null;
  if ('error' in outcome) {
    run.checkpointAttempts += 1;
    run.checkpointAfter = run.now + pauseMs(run.checkpointAttempts);
    const reason = messageOf(outcome.error);
    run.deps.log.warn({ job: run.id, checkpoint: number, err: outcome.error }, `Checkpoint ${number} was not written`);
    if (run.checkpointAttempts < ATTEMPTS) return;
    await close(run, number, (checkpoint) => ({ ...checkpoint, state: 'failed', reason }));
  } else await close(run, number, (checkpoint) => completed(checkpoint, outcome.manifest));
  run.checkpointAttempts = 0;
  await prune(run);
}

function completed(checkpoint: CheckpointSummary, { at, epoch, exact, file }: CheckpointManifest): CheckpointSummary {
  return { ...checkpoint, state: 'complete', at, epoch, exact, bytes: file.bytes, digest: file.sha256 };
}

async function close(
  run: JobRun,
  number: number,
  change: (checkpoint: CheckpointSummary) => CheckpointSummary,
): Promise<void> {
  const record = run.folded();
  const checkpoints = record.checkpoints.map((entry) => (entry.number === number ? change(entry) : entry));
  const checkpoint = checkpoints.find((entry) => entry.number === number);
  if (checkpoint === undefined) return;
  await run.save({ ...record, checkpoints });
  await run.deps.cluster.publishEvent(run.id, { type: 'checkpoint', at: run.at, checkpoint });
}

/** Of those by time only the newest stay; one that another job begins from stays as long as that job runs. */
async function prune(run: JobRun): Promise<void> {
  const regular = run.record.checkpoints.filter(({ why, state }) => why === 'interval' && state === 'complete');
  const old = regular.slice(0, -run.record.spec.keepCheckpoints).map(({ number }) => number);
  if (old.length === 0) return;
  const needed = new Set(
    (await run.deps.jobs.list())
      .filter(({ finishedAt }) => finishedAt === null)
      .map(({ spec }) => spec.resumeFrom ?? spec.warmStartFrom)
      .flatMap((source) => (source?.job === run.id ? [source.checkpoint] : [])),
  );
  const gone = old.filter((number) => !needed.has(number));
  // First they are not shown any more, then they are removed: nobody is told of one that is not there.
  const record = run.folded();
  await run.save({ ...record, checkpoints: record.checkpoints.filter(({ number }) => !gone.includes(number)) });
  for (const number of gone) await run.deps.cluster.removeObjects(objects.checkpointPrefix(run.id, number));
}
