import type { JobSpecInput } from '@downpour/contracts';

export interface ReproduceOptions {
  seeds: number[];
  /** Every step of a worker takes at least so long. */
  paddingMs: number;
  results: string;
  /** Figure 5 takes from the results of figure 4 what is there. */
  reuse: boolean;
}

export interface ExperimentContext {
  options: ReproduceOptions;
  signal: AbortSignal;
  progress: (what: string) => void;
}

export interface Outcome {
  /** Head first. */
  rows: string[][];
  /** By file name without its end. */
  charts: Record<string, string>;
  /** Everything that was measured, for the JSON beside them. */
  data: unknown;
}

export interface Experiment {
  name: string;
  title: string;
  run(context: ExperimentContext): Promise<Outcome>;
}

export const BATCH_SIZE = 64;
export const TRAIN_EXAMPLES = 60_000;

/** The model of all of them: 25,450 parameters on MNIST, a step of a millisecond, so that the padding is what a step takes. */
export const baseJob = (seed: number): JobSpecInput => ({
  model: { zoo: 'mlp', hiddenUnits: [32] },
  dataset: 'mnist',
  batchSize: BATCH_SIZE,
  epochs: 1000,
  evaluateEvery: 100_000,
  seed,
  updateRule: { kind: 'sgd', learningRate: 0.1 },
  log: { storage: 'memory' },
  shards: 2,
});

/** Shards tell of themselves so often that times can be read off between two events. */
export const CLUSTER = { workers: 0, shards: 2, env: { SHARD_EVENT_INTERVAL_MS: '100' } };
