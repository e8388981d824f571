import { ledgerOf, type JobRecord } from '@downpour/contracts';

/** What the shards' ledgers of an ended job come to: `exact` when each shard has applied every push of the plan once, and so each of these examples. */
export function accountOf(job: JobRecord, examples: number): { exact: boolean; text: string } {
  const { complete, addsUp, badDropped, duplicatesDropped, shards } = ledgerOf(job);
  const exact =
    complete && addsUp && badDropped === 0 && shards.every(({ examplesApplied }) => examplesApplied === examples);
  const [{ applied = 0, expected = 0, examplesApplied = 0 } = {}] = shards;
  const each = `${applied} of ${expected} pushes and ${examplesApplied} of ${examples} examples on each of ${shards.length} shards`;
  return { exact, text: exact ? `exact: ${each}; ${duplicatesDropped} duplicates dropped` : JSON.stringify(shards) };
}
