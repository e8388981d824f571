import type { JobRecord } from '@downpour/contracts';
import { jobRecordSchema } from '@downpour/contracts';
import type { z } from 'zod';

/** A job as the API shows it: without the coordinator's own notes. */
export const jobViewSchema = jobRecordSchema.omit({ coordination: true }).meta({ id: 'Job' });
export type JobView = z.infer<typeof jobViewSchema>;

export function viewOf({ coordination: _, ...view }: JobRecord): JobView {
  return view;
}
