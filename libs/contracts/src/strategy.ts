import { z } from 'zod';

const warmstartSteps = z
  .int()
  .min(0)
  .default(0)
  .describe('Pushes that one replica applies alone before the others join (paper, section 4.1)');

const nPush = z
  .int()
  .min(1)
  .max(10_000)
  .default(1)
  .describe('Push the accrued gradient every nPush steps; the window ends with its chunk');

/** Replicas of the strategies that wait for each other. */
const replicas = z
  .int()
  .min(1)
  .max(10_000)
  .optional()
  .describe('Replicas that take part. Default: as many as there are workers, and it follows them up and down');
const backups = z
  .int()
  .min(0)
  .max(1000)
  .default(0)
  .describe(
    'A step goes on without the slowest so many: their gradients are dropped as late, and their examples are trained again',
  );

/** Downpour SGD (Dean et al. 2012, section 4.1): no barrier anywhere; n_fetch and n_push are independent. */
export const asyncStrategySchema = z.strictObject({
  kind: z.literal('async'),
  nFetch: z.int().min(1).max(10_000).default(1).describe('Fetch parameters every nFetch steps; local steps in between'),
  nPush,
  warmstartSteps,
  stalenessScaling: z
    .enum(['none', 'inverse'])
    .default('none')
    .describe(
      'inverse: the learning rate of a gradient is divided by 1 + its staleness (Zhang et al. 2016, staleness-aware async-SGD)',
    ),
  maxStaleness: z
    .int()
    .min(1)
    .optional()
    .describe('A gradient staler than so many versions is dropped as late, and its chunk is given out again'),
});

/** Stale synchronous parallel (Ho et al. 2013). A clock is one push. */
export const sspStrategySchema = z.strictObject({
  kind: z.literal('ssp'),
  staleness: z
    .int()
    .min(0)
    .max(10_000)
    .default(3)
    .describe('A worker waits while it is more than so many clocks ahead of the slowest. 0: bulk synchronous'),
  nPush,
  warmstartSteps,
});

/** Synchronous SGD with backup workers (Chen et al. 2016; TensorFlow's SyncReplicasOptimizer). */
export const syncStrategySchema = z.strictObject({ kind: z.literal('sync'), replicas, backups });

/**
 * Local SGD with averaging (Stich 2018): replicas take localSteps steps of their own, then what they moved by is averaged: `sync` whose push is the sum of so many
 * local gradients. With the update rule sgd that is the mean of the replicas' parameters; with momentum the outer step has momentum (DiLoCo).
 */
export const localSgdStrategySchema = z.strictObject({
  kind: z.literal('localSgd'),
  localSteps: z.int().min(1).max(10_000).default(8).describe('Steps of a replica between two averages'),
  replicas,
  backups,
});

/** Sandblaster L-BFGS (Dean et al. 2012, section 4.2). `epochs` of the job: the most evaluations of loss and gradient over the whole data set. */
export const sandblasterStrategySchema = z.strictObject({
  kind: z.literal('sandblaster'),
  history: z.int().min(1).max(100).default(10).describe('Pairs of steps and gradient differences that are remembered'),
  gradientTolerance: z
    .number()
    .min(0)
    .default(1e-5)
    .describe(
      'It has converged when the norm of the gradient is at most this times the norm of the parameters, or times 1 if that is less',
    ),
  lossTolerance: z
    .number()
    .min(0)
    .default(1e-9)
    .describe('It has converged when an iteration lowers the loss by less than this part of it'),
  backupPortions: z
    .boolean()
    .default(true)
    .describe('Give portions that are long outstanding to a second worker; the first answer counts'),
});

export const strategySchema = z
  .discriminatedUnion('kind', [
    asyncStrategySchema,
    sspStrategySchema,
    syncStrategySchema,
    localSgdStrategySchema,
    sandblasterStrategySchema,
  ])
  .meta({ id: 'Strategy' });
export type StrategySpec = z.infer<typeof strategySchema>;
export type StrategyOf<Kind extends StrategySpec['kind']> = Extract<StrategySpec, { kind: Kind }>;

/** Those that wait for each other: their workers serve one such job at a time. */
export const BARRIER_STRATEGIES: readonly StrategySpec['kind'][] = ['ssp', 'sync', 'localSgd', 'sandblaster'];

/** Whether several gradients make a step: a shard keeps them for each other, and each replica has one in every step. */
export const sharesSteps = (strategy: StrategySpec): strategy is StrategyOf<'sync' | 'localSgd'> =>
  strategy.kind === 'sync' || strategy.kind === 'localSgd';

/** Steps between two fetches and between two pushes. A portion of Sandblaster is one push, however many steps it has. */
export function strategyWindow(strategy: StrategySpec): { nFetch: number; nPush: number } {
  switch (strategy.kind) {
    case 'async':
      return { nFetch: strategy.nFetch, nPush: strategy.nPush };
    case 'ssp':
      return { nFetch: strategy.nPush, nPush: strategy.nPush };
    case 'sync':
      return { nFetch: 1, nPush: 1 };
    case 'localSgd':
      return { nFetch: strategy.localSteps, nPush: strategy.localSteps };
    case 'sandblaster':
      return { nFetch: 1, nPush: Number.MAX_SAFE_INTEGER };
  }
}

export function warmstartStepsOf(strategy: StrategySpec): number {
  return strategy.kind === 'async' || strategy.kind === 'ssp' ? strategy.warmstartSteps : 0;
}
