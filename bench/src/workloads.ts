import type { DatasetSummary, EncodingSpec, JobSpecInput, ZooModel } from '@downpour/contracts';

export type WorkloadName = 'mlp-small' | 'cnn' | 'mlp-large' | 'googlenet-small';

export const WORKLOADS: Record<WorkloadName, ZooModel> = {
  'mlp-small': { zoo: 'mlp', hiddenUnits: [256] },
  cnn: { zoo: 'mnist-cnn' },
  'mlp-large': { zoo: 'mlp', hiddenUnits: [2048, 2048, 1024] },
  'googlenet-small': { zoo: 'googlenet-small' },
};
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];
/** What is measured unless others are asked for. */
export const DEFAULT_WORKLOADS: readonly WorkloadName[] = ['mlp-small', 'cnn', 'mlp-large'];

export const BATCH_SIZE = 64;

/** From the dearest to the cheapest on the wire. */
export const ENCODINGS: Record<string, EncodingSpec> = {
  float32: { gradients: 'float32', parameters: 'float32' },
  float16: { gradients: 'float16', parameters: 'float16' },
  bfloat16: { gradients: 'bfloat16', parameters: 'bfloat16' },
  int8: { gradients: 'int8', parameters: 'int8' },
};

/**
 * Plain SGD in every system that is compared: the rule that costs the others least. Adam, the default of jobs, takes more ops of those that
 * run op by op.
 */
export const UPDATE_RULE = { kind: 'sgd', learningRate: 0.05 } as const;

export const MNIST: DatasetSummary = {
  trainExamples: 60_000,
  testExamples: 10_000,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};

/** One way to run a workload on the cluster. */
export interface Configuration {
  encoding: string;
  /** nFetch and nPush. */
  n: number;
  log: 'file' | 'memory' | 'none';
}

export function nameOf({ encoding, n, log }: Configuration): string {
  return `${encoding}, n=${n}, ${log === 'none' ? 'no log' : `log: ${log}`}`;
}

/** A job that goes on until it is cancelled. */
export function endlessJob(
  workload: WorkloadName,
  { encoding = 'float32', n = 1, log = 'file', shards = 2 }: Partial<Configuration> & { shards?: number } = {},
): JobSpecInput {
  return {
    name: `bench ${workload} ${nameOf({ encoding, n, log })}`,
    model: WORKLOADS[workload],
    dataset: 'mnist',
    batchSize: BATCH_SIZE,
    epochs: 10_000,
    strategy: { kind: 'async', nFetch: n, nPush: n },
    updateRule: UPDATE_RULE,
    encoding: ENCODINGS[encoding]!,
    log: { storage: log },
    shards,
  };
}
