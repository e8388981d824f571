import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { CLUSTER, TRAIN_EXAMPLES, baseJob, type ExperimentContext, type ReproduceOptions } from './experiment.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { crossing, watchJob, type Watched } from './watch-job.ts';

export const TARGET_ACCURACY = 0.92;
/** Epochs between two evaluations. */
const EVALUATE_EVERY = 0.2;
const MOST_EPOCHS = 10;
const TIMEOUT_MS = 300_000;

/** One way to train. */
export interface Way {
  name: string;
  workers: number;
  /** What differs from the job of all. */
  job: Partial<JobSpecInput>;
}

export interface TimedRun {
  way: string;
  workers: number;
  seed: number;
  /** Until the target, since the first applied gradient; null where it was not reached. */
  seconds: number | null;
  examples: number | null;
  cpuSeconds: number | null;
  /** Test accuracy over seconds. */
  curve: [number, number][];
  stalenessMean: number;
  lateDropped: number;
  problems: string[];
}

/** In one process nothing is measured twice: `figure4 figure5` share runs; with --reuse so do two processes, by the results of figure 4. */
const measured = new Map<string, TimedRun>();

/** Each way with each seed. Jobs stop at the first evaluation that reaches the target; where it was reached is read off the line between two evaluations. */
export async function timeToAccuracy(ways: readonly Way[], context: ExperimentContext): Promise<TimedRun[]> {
  const { options, signal, progress } = context;
  if (options.reuse) remember(options);
  const missing = ways.filter(({ name }) => options.seeds.some((seed) => !measured.has(`${name} ${seed}`)));
  if (missing.length > 0) {
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      // By workers, so that each is started once.
      for (const way of missing.sort((a, b) => a.workers - b.workers)) {
        await fleet.be(new Array<number>(way.workers).fill(options.paddingMs));
        const { meter } = fleet;
        for (const seed of options.seeds) {
          if (measured.has(`${way.name} ${seed}`)) continue;
          progress(`${way.name}, seed ${seed}`);
          const spec: JobSpecInput = {
            ...baseJob(seed),
            epochs: MOST_EPOCHS,
            evaluateEvery: EVALUATE_EVERY,
            stopAt: { metric: 'accuracy', value: TARGET_ACCURACY },
            ...way.job,
          };
          const run = timed(way, seed, await watchJob(cluster, spec, { meter, signal, timeoutMs: TIMEOUT_MS }));
          measured.set(`${way.name} ${seed}`, run);
          progress(`  ${run.seconds?.toFixed(1)} s, ${run.examples?.toFixed(0)} examples ${run.problems.join('; ')}`);
        }
      }
    } finally {
      await cluster.stop();
    }
  }
  return ways.flatMap(({ name }) => options.seeds.map((seed) => measured.get(`${name} ${seed}`)!));
}

/** @throws Error when these were measured with another padding */
function remember({ results, paddingMs }: ReproduceOptions): void {
  const before = JSON.parse(readFileSync(path.join(results, 'figure4.json'), 'utf8')) as {
    paddingMs: number;
    data: { runs: TimedRun[] };
  };
  if (before.paddingMs !== paddingMs)
    throw new Error(`Figure 4 was measured with --padding-ms ${before.paddingMs}: give the same, or leave out --reuse`);
  for (const run of before.data.runs) measured.set(`${run.way} ${run.seed}`, run);
}

function timed({ name, workers }: Way, seed: number, watched: Watched): TimedRun {
  const { progress, evaluations, problems, stalenessMean, ledger } = watched;
  const at = (epoch: number, of: (point: Watched['progress'][number]) => number) => {
    const points = progress.map((point) => [of(point), point.examples] as const);
    return crossing(points, epoch * TRAIN_EXAMPLES);
  };
  const secondsAt = (epoch: number) => at(epoch, ({ seconds }) => seconds);
  const epochs = crossing(
    evaluations.map(({ epoch, accuracy }) => [epoch, accuracy] as const),
    TARGET_ACCURACY,
  );
  return {
    way: name,
    workers,
    seed,
    seconds: epochs === null ? null : secondsAt(epochs),
    examples: epochs === null ? null : epochs * TRAIN_EXAMPLES,
    cpuSeconds: epochs === null ? null : at(epochs, ({ cpuSeconds }) => cpuSeconds),
    curve: evaluations.flatMap(({ epoch, accuracy }): [number, number][] => {
      const seconds = secondsAt(epoch);
      return seconds === null ? [] : [[seconds, accuracy]];
    }),
    stalenessMean,
    lateDropped: ledger?.lateDropped ?? 0,
    problems,
  };
}
