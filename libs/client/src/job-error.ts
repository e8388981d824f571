import type { JobRecord } from '@downpour/contracts';

/** A job that did not succeed, with its last record. */
export class JobError extends Error {
  override readonly name = 'JobError';
  readonly job: JobRecord;
  constructor(job: JobRecord) {
    super(
      `Job ${job.id} ${job.state === 'failed' ? 'has failed' : `was ${job.state}`}: ${job.reason ?? 'no reason is given'}`,
    );
    this.job = job;
  }
}
