import { Cluster } from '../harness/cluster.ts';
import { short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import { baseJob, CLUSTER, type Experiment } from './experiment.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { watchJob } from './watch-job.ts';

const WORKERS = 4;
const WARMSTARTS = [0, 400];
const EPOCHS = 2;
const TIMEOUT_MS = 180_000;

/**
 * Adagrad whose sums of squares begin near nothing: its first steps are as large as they get, and stale ones point where others have just gone. One replica alone makes
 * the sums grow before the others join (the paper's section 4.1: "warmstarting", to keep Downpour SGD with Adagrad stable).
 */
const JOB = {
  model: { zoo: 'mlp' as const, hiddenUnits: [64, 64, 64] },
  updateRule: { kind: 'adagrad' as const, learningRate: 0.1, initialAccumulator: 0.0001 },
};

export const warmstart: Experiment = {
  name: 'warmstart',
  title: `warmstart: a setting that stalls with ${WORKERS} workers from the first step on`,
  async run({ options: { seeds, paddingMs }, signal, progress }) {
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    const runs: { warmstartSteps: number; seed: number; curve: [number, number][]; problems: string[] }[] = [];
    try {
      await fleet.be(new Array<number>(WORKERS).fill(paddingMs));
      for (const seed of seeds) {
        for (const warmstartSteps of WARMSTARTS) {
          progress(`${warmstartSteps} steps of warmstart, seed ${seed}`);
          const { evaluations, problems } = await watchJob(
            cluster,
            {
              ...baseJob(seed),
              ...JOB,
              epochs: EPOCHS,
              evaluateEvery: 0.2,
              strategy: { kind: 'async', warmstartSteps },
            },
            { meter: fleet.meter, signal, timeoutMs: TIMEOUT_MS },
          );
          const curve = evaluations.map(({ epoch, accuracy }): [number, number] => [epoch, 100 * accuracy]);
          runs.push({ warmstartSteps, seed, curve, problems });
          progress(`  ${curve.at(-1)?.[1].toFixed(1)} % ${problems.join('; ')}`);
        }
      }
    } finally {
      await cluster.stop();
    }
    const rows = [['test accuracy, %', ...seeds.map((seed) => `seed ${seed}`)]];
    for (const steps of WARMSTARTS) {
      const own = runs.filter(({ warmstartSteps }) => warmstartSteps === steps);
      rows.push([`warmstartSteps ${steps}`, ...own.map(({ curve }) => short(curve.at(-1)?.[1] ?? NaN))]);
    }
    const series = runs.map(({ warmstartSteps, seed, curve }) => ({
      name: `${warmstartSteps} steps, seed ${seed}`,
      points: curve,
    }));
    const axes = { x: `epochs; ${WORKERS} workers, steps padded to ${paddingMs} ms`, y: 'test accuracy, %' };
    return { rows, charts: { warmstart: lineChart('Warmstart', axes, series) }, data: { job: JOB, runs } };
  },
};
