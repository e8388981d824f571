import { objects } from '@downpour/contracts';
import { coordinationOf } from '../job-record.ts';
import { withoutPending } from './checkpoints.ts';
import type { JobRun } from '../job-run.ts';

/** Clears away what only a running job needs; the model stays. The plan goes first: processes let go of the job before its streams do. */
export async function reconcileEnded(run: JobRun): Promise<void> {
  if (coordinationOf(run.record).cleaned) return;
  const { cluster, plans } = run.deps;
  const { keepLog } = run.record.spec;
  const plan = keepLog ? await plans.get(run.id) : null;
  if (plan !== null) await cluster.storeObject(objects.keptPlan(run.id), Buffer.from(JSON.stringify(plan.value)));
  await plans.remove(run.id);
  run.plan = null;
  await cluster.removeStreams(run.id, keepLog);
  if (!keepLog) await cluster.removeObjects(objects.initialParameters(run.id));
  await cluster.removeObjects(objects.snapshotPrefix(run.id));
  await run.save(withoutPending(run.coordinate({ cleaned: true })));
}
