import type { JobRecord } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { JobRepository } from '@downpour/jobs';

/** A change competes with the coordinator's writes, about one a second. */
const ATTEMPTS = 20;

/** @throws DownpourError not-found */
export async function findJob(jobs: JobRepository, id: string): Promise<JobRecord> {
  const stored = isJobId(id) ? await jobs.get(id) : null;
  if (stored === null) throw new DownpourError('not-found', `There is no job ${id}: GET /v1/jobs lists them`);
  return stored.value;
}

/** Changes a job, however often others come between; `change` answers the job itself where there is nothing to do. @throws as `change`, and as findJob */
export async function changeJob(
  jobs: JobRepository,
  id: string,
  change: (job: JobRecord) => JobRecord,
): Promise<JobRecord> {
  for (let attempt = 1; ; attempt++) {
    const stored = isJobId(id) ? await jobs.get(id) : null;
    if (stored === null) return findJob(jobs, id);
    const changed = change(stored.value);
    if (changed === stored.value) return changed;
    try {
      await jobs.update(changed, stored.revision);
      return changed;
    } catch (error) {
      const raced = error instanceof DownpourError && error.code === 'conflict';
      if (!raced || attempt === ATTEMPTS) throw error;
    }
  }
}

function isJobId(id: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(id);
}
