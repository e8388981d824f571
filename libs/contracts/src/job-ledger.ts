import { z } from 'zod';
import { missingPushes } from './account.ts';
import type { JobRecord, ShardLedger } from './job.ts';
import { shardLedgerSchema } from './job.ts';

const sums = {
  expected: z.int().describe('Pushes that the plan has; a sum over the shards, as are all of these'),
  applied: z.int().describe('Pushes whose gradient has changed the parameters, each once'),
  lateDropped: z.int().describe('Deliveries that came too late for the strategy: trained again'),
  badDropped: z.int().describe('Pushes dropped for NaN or infinity (onBadGradient: skip)'),
  missing: z.int().describe('expected - applied - badDropped: still to come, or never coming after an early stop'),
  duplicatesDropped: z.int().describe('Deliveries of a push that was settled already: nothing was counted twice'),
  refused: z.int().describe('Records of the push log that were no pushes of the job'),
  examplesApplied: z.int(),
  examplesDropped: z.int(),
};

export const jobLedgerSchema = z
  .strictObject({
    jobId: z.string(),
    complete: z.boolean().describe('Every expected push is applied, or dropped for NaN or infinity, on every shard'),
    addsUp: z
      .boolean()
      .describe(
        'No shard has settled more than is expected, and all that are complete count the same examples. A job that did not add up would have failed',
      ),
    ...sums,
    shards: z.array(shardLedgerSchema),
  })
  .meta({
    id: 'JobLedger',
    description:
      'The account of the pushes of a job. On every shard applied + badDropped + missing = expected, and when nothing is missing ' +
      'examplesApplied + examplesDropped = training examples * epochs',
  });
export type JobLedger = z.infer<typeof jobLedgerSchema>;

export function ledgerOf({ id, ledger }: JobRecord): JobLedger {
  const sum = (key: Exclude<keyof typeof sums, 'missing'>) => ledger.reduce((total, shard) => total + shard[key], 0);
  return {
    jobId: id,
    complete: ledger.length > 0 && ledger.every((shard) => missingPushes(shard) === 0),
    addsUp: addsUp(ledger),
    expected: sum('expected'),
    applied: sum('applied'),
    lateDropped: sum('lateDropped'),
    badDropped: sum('badDropped'),
    missing: ledger.reduce((total, shard) => total + missingPushes(shard), 0),
    duplicatesDropped: sum('duplicatesDropped'),
    refused: sum('refused'),
    examplesApplied: sum('examplesApplied'),
    examplesDropped: sum('examplesDropped'),
    shards: ledger,
  };
}

function addsUp(ledgers: readonly ShardLedger[]): boolean {
  const complete = ledgers.filter((shard) => missingPushes(shard) === 0);
  const examples = new Set(complete.map(({ examplesApplied, examplesDropped }) => examplesApplied + examplesDropped));
  return ledgers.every((shard) => missingPushes(shard) >= 0) && examples.size <= 1;
}
