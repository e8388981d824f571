import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import { baseJob, CLUSTER, type Experiment } from './experiment.ts';
import { MeasuredRuns } from './measured-runs.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { watchJob } from './watch-job.ts';

const WORKERS = 8;
const RATE = 0.2;
const TIMEOUT_MS = 240_000;
const JOB: Partial<JobSpecInput> = {
  // Units that never die: with relu it can also stall at chance, all of them at zero, without a NaN.
  model: { zoo: 'mlp', hiddenUnits: [64, 64, 64], activation: 'elu' },
  updateRule: { kind: 'sgd', learningRate: RATE },
  epochs: 1,
  evaluateEvery: 0.1,
};
const WAYS: { name: string; workers: number; job: Partial<JobSpecInput> }[] = [
  { name: '1 worker', workers: 1, job: { strategy: { kind: 'async' } } },
  { name: `${WORKERS} workers`, workers: WORKERS, job: { strategy: { kind: 'async' } } },
  {
    name: `${WORKERS} workers, onBadGradient skip`,
    workers: WORKERS,
    job: { strategy: { kind: 'async' }, onBadGradient: 'skip' },
  },
  {
    name: `${WORKERS} workers, stalenessScaling inverse`,
    workers: WORKERS,
    job: { strategy: { kind: 'async', stalenessScaling: 'inverse' } },
  },
  {
    name: `${WORKERS} workers, maxStaleness 2`,
    workers: WORKERS,
    job: { strategy: { kind: 'async', maxStaleness: 2 } },
  },
  {
    name: `${WORKERS} workers, both`,
    workers: WORKERS,
    job: { strategy: { kind: 'async', maxStaleness: 2, stalenessScaling: 'inverse' } },
  },
  { name: `${WORKERS} workers, sync`, workers: WORKERS, job: { strategy: { kind: 'sync' } } },
];

interface DivergenceRun {
  way: string;
  seed: number;
  state: string;
  reason: string | null;
  accuracy: number | null;
  /** Settled on shard 0. */
  applied: number;
  bad: number;
  late: number;
  stalenessMean: number;
  curve: [number, number][];
}

/** A setting that one worker trains and the stale gradients of eight bring to NaN (TensorFlow's issue 14494), and what cures it. */
export const divergence: Experiment = {
  name: 'divergence',
  title: `NaN of stale gradients: 784-64-64-64-10 (elu), SGD at ${RATE}`,
  async run({ options, signal, progress }) {
    const { seeds, paddingMs } = options;
    const measured = MeasuredRuns.of<DivergenceRun>('divergence-runs', options);
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    const runs: DivergenceRun[] = [];
    try {
      for (const { name, workers, job } of WAYS) {
        for (const seed of seeds) {
          const what = { job: { ...baseJob(seed), ...JOB, ...job }, workers, paddingMs };
          const before = measured.get(what);
          if (before) {
            runs.push(before);
            continue;
          }
          await fleet.be(new Array<number>(workers).fill(paddingMs));
          progress(`${name}, seed ${seed}`);
          const { end, ledger, stalenessMean, evaluations } = await watchJob(cluster, what.job, {
            meter: fleet.meter,
            signal,
            timeoutMs: TIMEOUT_MS,
          });
          const run = measured.add(what, {
            way: name,
            seed,
            state: end?.state ?? 'unknown',
            reason: end?.reason ?? null,
            accuracy: end?.result?.accuracy ?? null,
            applied: ledger?.applied ?? 0,
            bad: ledger?.badDropped ?? 0,
            late: ledger?.lateDropped ?? 0,
            stalenessMean,
            curve: evaluations.map(({ epoch, accuracy }): [number, number] => [epoch, 100 * accuracy]),
          });
          runs.push(run);
          progress(`  ${endOf(run)}, staleness ${short(run.stalenessMean)}, ${run.late} late`);
        }
      }
    } finally {
      await cluster.stop();
    }
    const of = (way: string): DivergenceRun[] => runs.filter((run) => run.way === way);
    const rows = [['', ...seeds.map((seed) => `seed ${seed}`), 'staleness', 'late']];
    for (const { name } of WAYS)
      rows.push([
        name,
        ...of(name).map(endOf),
        of(name)
          .map(({ stalenessMean }) => short(stalenessMean))
          .join(', '),
        of(name)
          .map(({ late }) => String(late))
          .join(', '),
      ]);
    const chart = lineChart(
      'Test accuracy until the end',
      { x: `epochs; steps padded to ${paddingMs} ms`, y: '%' },
      WAYS.map(({ name }) => ({ name, points: of(name)[0]!.curve })),
    );
    return { rows, charts: { divergence: chart }, data: { runs } };
  },
};

/** What came of a job: its accuracy, or how many pushes it took to fail. */
const endOf = ({ state, accuracy, applied, reason }: DivergenceRun): string => {
  if (accuracy !== null) return `${short(100 * accuracy)} %`;
  return `${/NaN|finite/.test(reason ?? '') ? 'NaN' : state} after ${applied} pushes`;
};
