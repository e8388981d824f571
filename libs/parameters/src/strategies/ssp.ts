import { APPLY } from './strategy.ts';
import type { StrategyFor } from './strategy.ts';

/** Stale synchronous parallel (Ho et al. 2013): who is too fast waits when it pulls (`Clocks`); what comes is applied. */
export const staleSynchronous: StrategyFor<'ssp'> = { judge: () => APPLY };
