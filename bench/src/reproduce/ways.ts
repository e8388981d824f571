import { baseJob, PORTION_EXAMPLES } from './experiment.ts';
import type { Way } from './time-to-accuracy.ts';

const RATE = (baseJob(1).updateRule as { learningRate: number }).learningRate;
/** A step of k gradients in step takes their mean: its rate is k times as large (Goyal et al. 2017), so that an epoch moves as far as with one worker. */
const timesRate = (k: number) => ({ kind: 'sgd', learningRate: k * RATE }) as const;
/** The best of those that `rates` tried at a staleness of three, that of four workers. As the paper's, its sums begin at next to nothing. */
const ADAGRAD = { kind: 'adagrad', learningRate: 0.02, initialAccumulator: 0.0001 } as const;
/** The most evaluations of the whole data set; its own epochs. */
const MOST_EVALUATIONS = 100;

export const downpour = (workers: number): Way => ({
  name: workers === 1 ? 'SGD, 1 worker' : `Downpour, ${workers} workers`,
  workers,
  job: { strategy: { kind: 'async' } },
});

export const downpourAdagrad = (workers: number): Way => ({
  name: `${workers === 1 ? 'SGD, 1 worker' : `Downpour, ${workers} workers`}, Adagrad`,
  workers,
  job: { strategy: { kind: 'async' }, updateRule: ADAGRAD },
});

export const sync = (workers: number, backups = 0): Way => ({
  name: `sync, ${workers} workers${backups > 0 ? `, ${backups} backup` : ''}`,
  workers,
  job: { strategy: { kind: 'sync', replicas: workers, backups }, updateRule: timesRate(workers - backups) },
});

export const ssp = (workers: number): Way => ({
  name: `ssp (3), ${workers} workers`,
  workers,
  job: { strategy: { kind: 'ssp', staleness: 3 } },
});

export const localSgd = (workers: number): Way => ({
  name: `localSgd (8), ${workers} workers`,
  workers,
  job: { strategy: { kind: 'localSgd', localSteps: 8, replicas: workers } },
});

export const sandblaster = (workers: number): Way => ({
  name: `Sandblaster, ${workers} worker${workers > 1 ? 's' : ''}`,
  workers,
  job: {
    strategy: { kind: 'sandblaster' },
    chunkSize: PORTION_EXAMPLES,
    epochs: MOST_EVALUATIONS,
    // Of its iterations.
    evaluateEvery: 2,
  },
});
