import type { JobRun } from '../job-run.ts';
import { waitingFor } from '../waiting.ts';

/** Waits for one of each role, then for its turn. `running`: jobs that are being prepared, trained or finished. */
export async function reconcileQueued(run: JobRun, running: number, aheadInLine: number): Promise<void> {
  const missing = waitingFor(run.deps.cluster.members());
  const room = run.options.maxRunningJobs - running - aheadInLine;
  if (missing === null && room > 0) return run.move('preparing');
  await run.say(missing ?? `waiting for its turn: ${running} jobs are running, ${aheadInLine} are ahead in line`);
}
