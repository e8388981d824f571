import { APPLY, LATE } from './strategy.ts';
import type { StrategyFor } from './strategy.ts';

/** Downpour SGD: whatever comes is applied, unless it is too stale; a stale one moves the parameters less where that is asked for. */
export const asynchronous: StrategyFor<'async'> = {
  judge: ({ stalenessScaling, maxStaleness = Infinity }, staleness) => {
    if (staleness > maxStaleness) return LATE;
    return stalenessScaling === 'none' || staleness === 0 ? APPLY : { kind: 'apply', rate: 1 / (1 + staleness) };
  },
};
