import type { JobRecord } from '@downpour/contracts';
import { jobRecordSchema, shardLedgerSchema } from '@downpour/contracts';
import { z } from 'zod';

/** A job as the API shows it: without the coordinator's own notes. */
export const jobViewSchema = jobRecordSchema.omit({ coordination: true }).meta({ id: 'Job' });
export type JobView = z.infer<typeof jobViewSchema>;

export function viewOf({ coordination: _, ...view }: JobRecord): JobView {
  return view;
}

export const jobLedgerSchema = z
  .strictObject({
    jobId: z.string(),
    complete: z.boolean().describe('Every expected push is applied on every shard'),
    expected: z.int().describe('Sum over shards, as are the other three'),
    applied: z.int(),
    duplicatesDropped: z.int(),
    lateDropped: z.int(),
    shards: z.array(shardLedgerSchema),
  })
  .meta({ id: 'JobLedger', description: 'The account of the pushes of a job' });
export type JobLedger = z.infer<typeof jobLedgerSchema>;

export function ledgerOf({ id, ledger }: JobRecord): JobLedger {
  const sum = (key: 'expected' | 'applied' | 'duplicatesDropped' | 'lateDropped') =>
    ledger.reduce((total, shard) => total + shard[key], 0);
  return {
    jobId: id,
    complete: ledger.length > 0 && ledger.every(({ applied, expected }) => applied === expected),
    expected: sum('expected'),
    applied: sum('applied'),
    duplicatesDropped: sum('duplicatesDropped'),
    lateDropped: sum('lateDropped'),
    shards: ledger,
  };
}
