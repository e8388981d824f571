import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { waitingFor, waitingForGroup, waitingForTasks } from '../waiting.ts';

const MINUTE_MS = 60_000;
/** A log that is full for a moment is back-pressure, no trouble. */
const TROUBLED_MS = 3000;

/** Says what a job without progress waits for, enqueues anew what seems lost, and in the end gives up: nothing hangs in silence. */
export async function watchStall(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const applied = run.tracker.applied(plan.shards.length);
  if (applied !== run.lastApplied) {
    run.lastApplied = applied;
    run.movedAt = run.now;
  }
  const members = run.members;
  const nobody = waitingFor(members);
  const missing = (nobody && waitingForTasks(plan.spec.cluster, members)) ?? nobody ?? waitingForGroup(plan, members);
  if (missing !== null) {
    // Time without members does not count against the job: it waits as long as it takes.
    run.movedAt = run.now;
    return run.say(missing);
  }
  const trouble = run.tracker.trouble(run.now - run.movedAt > TROUBLED_MS, run.now);
  if (trouble !== null) {
    // A full disk and the like: it waits as long as it takes, too, and goes on by itself when there is room again.
    run.excusedAt = run.now;
    return run.say(trouble);
  }
  const quietMs = run.now - Math.max(run.movedAt, run.excusedAt);
  if (quietMs > run.options.stalledJobMs) return run.fail(`${stallReason(run, quietMs)}; it was given up`);
  const late = run.tracker.ledgers(plan.shards.length).some(({ lateDropped }) => lateDropped > 0);
  const healMs = plan.spec.log.storage === 'none' || late ? run.options.healUnloggedMs : run.options.healMs;
  const queued = plan.spec.strategy.kind !== 'sandblaster';
  if (queued && quietMs > healMs && run.now - run.healedAt > healMs) await giveOutMissing(run);
  await run.say(quietMs > run.options.quietJobMs ? stallReason(run, quietMs) : run.waitsForStep);
}

/** Minutes, not seconds: the reason is announced each time it changes. */
function stallReason(run: JobRun, quietMs: number): string {
  const minutes = Math.floor(quietMs / MINUTE_MS);
  const since = minutes < 1 ? 'half a minute' : `${minutes} min`;
  const loading = (run.plan?.value.shards ?? []).filter((placement) => !run.tracker.serves(placement));
  const waits =
    loading.length > 0
      ? loading.map(({ shard, instance }) => `shard ${shard} to be served by ${instance ?? 'a parameter shard'}`)
      : [run.pendingChunks > 0 ? 'workers that hold or should take its chunks' : 'pushes that are missing'];
  return `no gradient applied for ${since}: waiting for ${waits.join(' and ')}`;
}

/** The queue is empty and still pushes are missing: their chunks are given out again. The ledgers drop what they have. */
async function giveOutMissing(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined || run.pendingChunks > 0) return;
  run.healedAt = run.now;
  const { cluster, log } = run.deps;
  const { epochsEnqueued } = coordinationOf(run.record);
  const missing = new Map<number, Set<number>>();
  for (const { shard, instance } of plan.shards) {
    // Without an owner, or before it answers, nobody knows: the next look will.
    if (instance === null) return;
    const account = await cluster.ledger(instance, run.id, shard, epochsEnqueued).catch(() => null);
    if (account === null) return;
    for (const { epoch, chunks } of account.missing)
      missing.set(epoch, new Set([...(missing.get(epoch) ?? []), ...chunks]));
  }
  await cluster.createStreams(run.id, { ...plan.spec.log, keep: plan.spec.keepLog });
  const again = [...missing].map(([epoch, chunks]) => ({ epoch, chunks: [...chunks].sort((a, b) => a - b) }));
  for (const { epoch, chunks } of again)
    log.warn(
      { job: run.id, epoch, chunks: chunks.length },
      `Epoch ${epoch} lacks pushes of ${chunks.length} chunks though the queue is empty: given out again`,
    );
  await cluster.giveOutAgain(run.id, again);
}
