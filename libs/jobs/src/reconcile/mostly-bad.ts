import { settledPushes } from '@downpour/contracts';
import type { JobRun } from '../job-run.ts';

/** Fewer pushes say little: the first ones of a job may well be bad. */
const ENOUGH_PUSHES = 100;

/** Why a job that skips bad gradients is given up: with more of them than good ones it trains nothing. Null while it is not. */
export function mostlyBad(run: JobRun): string | null {
  for (const ledger of run.tracker.ledgers(run.plan?.value.shards.length ?? 0)) {
    const { shard, badDropped, applied, expected } = ledger;
    const settled = settledPushes(ledger);
    if (badDropped <= applied || settled < Math.min(ENOUGH_PUSHES, expected)) continue;
    const last = ledger.badPushes.at(-1);
    const where =
      last === undefined ? '' : ` (the newest by ${last.worker} in chunk ${last.chunk} of epoch ${last.epoch})`;
    return (
      `${badDropped} of the first ${settled} pushes of shard ${shard} had NaN or infinity in them${where}: training has diverged. ` +
      'Lower updateRule.learningRate, or look for extreme values in the data'
    );
  }
  return null;
}
