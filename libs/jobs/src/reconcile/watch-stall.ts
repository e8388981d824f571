import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';
import { waitingFor } from '../waiting.ts';

const MINUTE_MS = 60_000;

/** Says what a job without progress waits for, enqueues anew what seems lost, and in the end gives up: nothing hangs in silence. */
export async function watchStall(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined) return;
  const applied = run.tracker.applied(plan.shards.length);
  if (applied > run.lastApplied) {
    run.lastApplied = applied;
    run.movedAt = run.now;
  }
  const missing = waitingFor(run.deps.cluster.members());
  if (missing !== null) {
    // Time without members does not count against the job: it waits as long as it takes.
    run.movedAt = run.now;
    return run.say(missing);
  }
  const quietMs = run.now - run.movedAt;
  if (quietMs > run.options.stalledJobMs) return run.fail(`${stallReason(run, quietMs)}; it was given up`);
  if (quietMs > run.options.healMs && run.now - run.healedAt > run.options.healMs) await enqueueOpenEpochs(run);
  await run.say(quietMs > run.options.quietJobMs ? stallReason(run, quietMs) : null);
}

/** Minutes, not seconds: the reason is announced each time it changes. */
function stallReason(run: JobRun, quietMs: number): string {
  const minutes = Math.floor(quietMs / MINUTE_MS);
  const since = minutes < 1 ? 'half a minute' : `${minutes} min`;
  const loading = (run.plan?.value.shards ?? []).filter(({ shard, ownership }) => {
    const event = run.tracker.shard(shard)?.event;
    return event?.state !== 'serving' || event.ownership !== ownership;
  });
  const waits =
    loading.length > 0
      ? loading.map(({ shard, instance }) => `shard ${shard} to be served by ${instance ?? 'a parameter shard'}`)
      : [run.pendingChunks > 0 ? 'workers that hold or should take its chunks' : 'pushes that are missing'];
  return `no gradient applied for ${since}: waiting for ${waits.join(' and ')}`;
}

/** The queue is empty and still pushes are missing. The ledgers drop what they have, so enqueueing again can only help. */
async function enqueueOpenEpochs(run: JobRun): Promise<void> {
  const plan = run.plan?.value;
  if (plan === undefined || run.pendingChunks > 0) return;
  run.healedAt = run.now;
  const { epochsEnqueued } = coordinationOf(run.record);
  await run.deps.cluster.createStreams(run.id, plan.spec.log);
  for (const epoch of openEpochs(run, epochsEnqueued)) {
    run.deps.log.warn({ job: run.id, epoch }, `Epoch ${epoch} lacks pushes though its queue is empty: enqueued again`);
    await run.deps.cluster.enqueueEpoch(run.id, epoch, plan.chunks);
  }
}

/** Epochs that some shard still counts as open; all, where the shards do not say. */
function openEpochs(run: JobRun, epochsEnqueued: number): number[] {
  const shards = run.plan?.value.shards ?? [];
  const named = new Set<number>();
  for (const { shard } of shards) {
    const counts = run.tracker.shard(shard)?.event.epochsApplied ?? [];
    for (let at = 0; at < counts.length; at += 2) named.add(counts[at] as number);
  }
  const all = Array.from({ length: epochsEnqueued }, (_, epoch) => epoch);
  return named.size === 0 ? all : all.filter((epoch) => named.has(epoch));
}
