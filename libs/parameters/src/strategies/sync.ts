import { HOLD, LATE } from './strategy.ts';
import type { StrategyFor } from './strategy.ts';

/**
 * Synchronous SGD with backup workers (Chen et al. 2016): the first gradients computed on the present version make a step together; one that was computed on an
 * older version missed its step.
 */
export const synchronous: StrategyFor<'sync' | 'localSgd'> = {
  judge: (_spec, staleness) => (staleness > 0 ? LATE : HOLD),
};
