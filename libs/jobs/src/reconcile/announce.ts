import { coordinationOf } from '../job-record.ts';
import type { JobRun } from '../job-run.ts';

/** Publishes a state event for each new state and reason, whoever made it (a cancel comes from the API). At least once. */
export async function announce(run: JobRun): Promise<void> {
  const { state, reason } = run.record;
  const news = `${state}: ${reason ?? ''}`;
  if (coordinationOf(run.record).announced === news) return;
  await run.deps.cluster.publishEvent(run.id, { type: 'state', at: run.at, state, reason });
  await run.save(run.coordinate({ announced: news }));
}
