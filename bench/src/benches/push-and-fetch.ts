import type { JobSpecInput } from '@downpour/contracts';
import type { Bench, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { SHARDS, WORKERS } from '../whole-system.ts';
import { BATCH_SIZE, WORKLOADS, type WorkloadName } from '../workloads.ts';

const STEPS = [1, 2, 4, 8];
const TIMEOUT_MS = 300_000;

interface Cell {
  nPush: number;
  nFetch: number;
  speeds: number[];
  accuracies: number[];
}

/** What pushing and fetching less often gains in speed, and what it costs in accuracy, after one epoch of MNIST with the default rule. */
export const pushAndFetch: Bench = {
  id: '8',
  title: 'nPush and nFetch: speed, and accuracy after one epoch',
  extra: 'full',
  async run({ options, progress, signal }) {
    const workload = options.workloads[0]!;
    const steps = options.quick ? [1, 4] : STEPS;
    const cells = steps.flatMap((nPush) =>
      steps.map((nFetch): Cell => ({ nPush, nFetch, speeds: [], accuracies: [] })),
    );
    progress('starting a cluster');
    const cluster = await Cluster.start({ workers: WORKERS, shards: SHARDS });
    try {
      // A repetition is a seed.
      for (let seed = 1; seed <= options.repetitions; seed++)
        for (const cell of cells) {
          progress(`${workload}, nPush=${cell.nPush}, nFetch=${cell.nFetch}, ${seed} of ${options.repetitions}`);
          const { speed, accuracy } = await train(cluster, oneEpoch(workload, cell, seed), signal);
          cell.speeds.push(speed);
          cell.accuracies.push(accuracy);
        }
    } finally {
      await cluster.stop();
    }
    const one = cells[0]!;
    const figures = cells.map(({ nPush, nFetch, speeds }): Figure => ({
      name: `${workload}, nPush=${nPush}, nFetch=${nFetch}`,
      unit: 'examples/s',
      values: speeds,
      baseline: { name: 'nPush=1, nFetch=1', values: one.speeds },
      aim: null,
    }));
    const rows = cells.map(({ nPush, nFetch, speeds, accuracies }) => [
      `nPush=${nPush}, nFetch=${nFetch}`,
      short(median(speeds)),
      `${(100 * median(accuracies)).toFixed(2)} %`,
      `${(100 * Math.min(...accuracies)).toFixed(2)} - ${(100 * Math.max(...accuracies)).toFixed(2)} %`,
    ]);
    const series = steps.map((nFetch) => ({
      name: `nFetch=${nFetch}`,
      points: cells
        .filter((cell) => cell.nFetch === nFetch)
        .map((cell): [number, number] => [cell.nPush, 100 * median(cell.accuracies)]),
    }));
    return {
      figures,
      details: [
        {
          title: `${workload}: test accuracy after one epoch`,
          rows: [['', 'examples/s', 'accuracy, median', 'lowest - highest'], ...rows],
        },
      ],
      curves: [{ title: `${workload}: accuracy after one epoch`, x: 'nPush', y: 'test accuracy, %', series }],
    };
  },
};

function oneEpoch(workload: WorkloadName, { nPush, nFetch }: Cell, seed: number): JobSpecInput {
  return {
    name: `bench ${workload} nPush=${nPush} nFetch=${nFetch}`,
    model: WORKLOADS[workload],
    dataset: 'mnist',
    batchSize: BATCH_SIZE,
    epochs: 1,
    seed,
    strategy: { kind: 'async', nFetch, nPush },
    shards: SHARDS,
  };
}

/** Diverging is a result here: an accuracy of 0. */
async function train({ client }: Cluster, spec: JobSpecInput, signal: AbortSignal) {
  const { id } = await client.submit(spec);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const job = await client.untilTerminal(id, { signal: stop, pollMs: 100 });
  if (job.state === 'failed' && /diverged/.test(job.reason ?? '')) return { speed: 0, accuracy: 0 };
  if (!job.result) throw new Error(`Job ${id} ${job.state}: ${job.reason}`);
  return { speed: job.result.examplesPerSecond, accuracy: job.result.accuracy ?? 0 };
}
