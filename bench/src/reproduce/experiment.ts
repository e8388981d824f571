import type { JobSpecInput } from '@downpour/contracts';

export interface ReproduceOptions {
  seeds: number[];
  /** Every step of a worker takes at least so long. */
  paddingMs: number;
  results: string;
  /** What was measured into the same folder before is not measured again. */
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
/** Of MNIST where L-BFGS takes part, whose every step goes over all of them: whole batches, and portions of them. */
export const FEW_EXAMPLES = 10_240;
/** Two batches, so that there are 80 of them: much smaller than what one of eight workers does of an evaluation. */
export const PORTION_EXAMPLES = 2 * BATCH_SIZE;

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
