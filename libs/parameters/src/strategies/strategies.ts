import type { StrategySpec } from '@downpour/contracts';
import { asynchronous } from './async.ts';
import { staleSynchronous } from './ssp.ts';
import type { ShardStrategy, StrategyFor } from './strategy.ts';
import { synchronous } from './sync.ts';

/** A shard of sandblaster folds no log: sandblaster/batch-shard.ts. */
type Folded = Exclude<StrategySpec['kind'], 'sandblaster'>;

const strategies: { [Kind in Folded]: StrategyFor<Kind> } = {
  async: asynchronous,
  ssp: staleSynchronous,
  sync: synchronous,
  localSgd: synchronous,
};

/** How pushes are folded by a strategy. */
export const shardStrategyOf = (spec: StrategySpec): ShardStrategy => strategies[spec.kind as Folded] as ShardStrategy;
