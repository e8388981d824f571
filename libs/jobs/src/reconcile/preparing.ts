import type { JobRun } from '../job-run.ts';
import { makePlan } from '../make-plan.ts';
import type { Load } from '../shard-owners.ts';
import { waitingFor } from '../waiting.ts';

/**
 * Has a worker build the model and write the initial parameters, places the layout, makes the streams and lets the plan out. Each
 * step may be done again by a coordinator that takes over; the plan, once stored, is what counts.
 */
export async function reconcilePreparing(run: JobRun, loads: () => Map<string, Load>): Promise<void> {
  const { cluster, datasets } = run.deps;
  const { spec } = run.record;
  if (run.plan === null) {
    const missing = waitingFor(cluster.members());
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
    const plan = makePlan(run.record, summary, prepared, cluster.members(), loads());
    await cluster.createStreams(run.id, spec.log);
    await run.savePlan(plan);
  }
  await run.move('training', null, { parameters: run.plan?.value.layout.length ?? null });
}
