import type { StrategySpec } from '@downpour/contracts';
import { asynchronous } from './async.ts';
import { staleSynchronous } from './ssp.ts';
import type { ShardStrategy, StrategyFor } from './strategy.ts';
import { HOLD } from './strategy.ts';
import { synchronous } from './sync.ts';

const strategies: { [Kind in StrategySpec['kind']]: StrategyFor<Kind> } = {
  async: asynchronous,
  ssp: staleSynchronous,
  sync: synchronous,
  localSgd: synchronous,
  sandblaster: { judge: () => HOLD },
};

/** How pushes are folded by a strategy. */
export const shardStrategyOf = (spec: StrategySpec): ShardStrategy => strategies[spec.kind] as ShardStrategy;
