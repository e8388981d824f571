import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { baseJob, CLUSTER, FEW_EXAMPLES, type ExperimentContext } from './experiment.ts';
import { uploadFirstOfMnist } from './first-of-mnist.ts';
import { MeasuredRuns, type Circumstances } from './measured-runs.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { crossing, watchJob, type Watched } from './watch-job.ts';

export const TARGET_ACCURACY = 0.9;
/** Epochs between two evaluations: 5,120 examples. */
const EVALUATE_EVERY = 0.5;
const MOST_EPOCHS = 60;
const TIMEOUT_MS = 900_000;

/** One way to train. */
export interface Way {
  name: string;
  workers: number;
  /** What differs from the job of all. */
  job: Partial<JobSpecInput>;
}

export interface TimedRun extends Partial<Circumstances> {
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

/** Each way with each seed. Jobs stop at the first evaluation that reaches the target; where it was reached is read off the line between two evaluations. */
export async function timeToAccuracy(ways: readonly Way[], context: ExperimentContext): Promise<TimedRun[]> {
  const { options, signal, progress } = context;
  const { paddingMs } = options;
  const measured = MeasuredRuns.of<TimedRun>('time-to-accuracy', options);
  const wanted = ways.flatMap((way) => options.seeds.map((seed) => ({ way, seed })));
  const specOf = ({ way, seed }: { way: Way; seed: number }): JobSpecInput => ({
    ...baseJob(seed),
    epochs: MOST_EPOCHS,
    evaluateEvery: EVALUATE_EVERY,
    stopAt: { metric: 'accuracy', value: TARGET_ACCURACY },
    ...way.job,
  });
  const keyOf = (one: { way: Way; seed: number }) => [FEW_EXAMPLES, one.way.workers, paddingMs, specOf(one)];
  const missing = wanted.filter((one) => measured.get(keyOf(one)) === undefined);
  if (missing.length > 0) {
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      const { id: dataset } = await uploadFirstOfMnist(cluster, FEW_EXAMPLES);
      // By workers, so that each is started once.
      for (const one of missing.sort((a, b) => a.way.workers - b.way.workers)) {
        const { way, seed } = one;
        await fleet.be(new Array<number>(way.workers).fill(paddingMs));
        progress(`${way.name}, seed ${seed}`);
        const watching = { meter: fleet.meter, signal, timeoutMs: TIMEOUT_MS };
        const run = timed(way, seed, await watchJob(cluster, { ...specOf(one), dataset }, watching));
        const { load } = measured.add(keyOf(one), run);
        progress(
          `  ${run.seconds?.toFixed(1)} s, ${run.examples?.toFixed(0)} examples, load ${load} ${run.problems.join('; ')}`,
        );
      }
    } finally {
      await cluster.stop();
    }
  }
  return wanted.map((one) => ({ ...measured.get(keyOf(one))!, way: one.way.name }));
}

function timed({ name, workers }: Way, seed: number, watched: Watched): TimedRun {
  const { progress, evaluations, problems, stalenessMean, ledger } = watched;
  const at = (epoch: number, of: (point: Watched['progress'][number]) => number) => {
    const points = progress.map((point) => [of(point), point.examples] as const);
    return crossing(points, epoch * FEW_EXAMPLES);
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
    examples: epochs === null ? null : epochs * FEW_EXAMPLES,
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
