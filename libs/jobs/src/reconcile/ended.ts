import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';

/** Clears away what only a running job needs; the model stays. The plan goes first: processes let go of the job before its streams do. */
export async function reconcileEnded(run: JobRun): Promise<void> {
  if (coordinationOf(run.record).cleaned) return;
  const { cluster, plans } = run.deps;
  await plans.remove(run.id);
  run.plan = null;
  await cluster.removeStreams(run.id);
  await cluster.removeObjects(`jobs/${run.id}/initial`);
  await cluster.removeObjects(`jobs/${run.id}/snapshots/`);
  await run.save(run.coordinate({ cleaned: true }));
}
