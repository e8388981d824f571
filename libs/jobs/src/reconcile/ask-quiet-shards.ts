import type { JobRun } from '../job-run.ts';

/** A shard that says nothing is asked, so that a lost event can hold nothing up. That it does not answer is no failure here: owners follow the members. */
export async function askQuietShards(run: JobRun): Promise<void> {
  for (const { shard, instance } of run.plan?.value.shards ?? []) {
    const heardAt = run.tracker.shard(shard)?.heardAt;
    if (instance === null || heardAt === undefined || run.now - heardAt < run.options.quietShardMs) continue;
    try {
      const { ledger, complete } = await run.deps.cluster.ledger(instance, run.id, shard);
      run.tracker.hear(shard, ledger, complete, run.now);
    } catch (error) {
      run.deps.log.info({ job: run.id, shard, instance, err: error }, `Shard ${shard} does not answer yet`);
    }
  }
}
