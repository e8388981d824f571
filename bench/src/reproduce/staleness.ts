import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import { baseJob, CLUSTER, type Experiment, type ExperimentContext } from './experiment.ts';
import { MeteredShard, type StalenessHistogram } from './metered-shards.ts';
import { staleTraining } from './stale-training.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { watchJob } from './watch-job.ts';

const WORKERS = [1, 2, 4, 8];
const WATCHED_STEPS = 120;
const DELAYS = [0, 1, 3, 7, 15];
const RATES = [3.2, 1.6, 0.8, 0.4, 0.2, 0.1, 0.05, 0.025];
const STEPS = 400;
/** Test accuracy after so many steps: what is below has stalled or diverged. */
const TRAINS = 0.7;
const SCALINGS = ['none', 'inverse'] as const;
const TIMEOUT_MS = 90_000;

/** Histograms of the whole system, and the rates that exact staleness leaves. What becomes of a rate that is too large: divergence.ts. */
export const staleness: Experiment = {
  name: 'staleness',
  title: 'staleness against the number of workers, and the learning rates it leaves',
  async run(context) {
    const { paddingMs, seeds } = context.options;
    const whole = await wholeSystem(context);
    const rates = await largestRates(context);
    const rows = [['', ...WORKERS.map((n) => `${n} worker${n > 1 ? 's' : ''}`)]];
    for (const shard of [0, 1])
      rows.push([
        `shard ${shard}: mean (at most)`,
        ...WORKERS.map((n) => {
          const { histogram } = whole.histograms.find((one) => one.workers === n && one.shard === shard)!;
          return `${short(meanOf(histogram))} (${histogram.findLast(([, count]) => count > 0)?.[0] ?? '-'})`;
        }),
      ]);
    rows.push(['', ...DELAYS.slice(1).map((delay) => `staleness ${delay}`)]);
    for (const scaling of SCALINGS)
      rows.push([
        `largest rate, ${scaling}`,
        ...DELAYS.slice(1).map((delay) => short(rates.find((r) => r.delay === delay && r.scaling === scaling)!.rate)),
      ]);
    const share = (histogram: StalenessHistogram): [number, number][] => {
      const all = histogram.reduce((sum, [, count]) => sum + count, 0);
      return histogram.filter(([end]) => Number(end) <= 24).map(([end, count]) => [Number(end), (100 * count) / all]);
    };
    const histograms = lineChart(
      'Staleness of pushes on shard 0',
      { x: `versions (upper end of the bucket); steps padded to ${paddingMs} ms`, y: '% of pushes' },
      whole.histograms
        .filter(({ shard }) => shard === 0)
        .map(({ workers, histogram }) => ({ name: `${workers} workers`, points: share(histogram) })),
    );
    const largest = lineChart(
      'Largest learning rate that still trains',
      {
        x: `staleness, exact, in one process; ${STEPS} steps, ${seeds.length} seeds`,
        y: 'learning rate (of powers of two)',
      },
      SCALINGS.map((scaling) => ({
        name: `stalenessScaling ${scaling}`,
        points: rates.filter((r) => r.scaling === scaling).map(({ delay, rate }): [number, number] => [delay, rate]),
      })),
    );
    return {
      rows,
      charts: { staleness: histograms, 'staleness-rates': largest },
      data: { ...whole, rates, trains: TRAINS, steps: STEPS },
    };
  },
};

async function wholeSystem({ options: { paddingMs, seeds }, signal, progress }: ExperimentContext) {
  // One process of the launcher, which wants one, and two whose metrics are read.
  const cluster = await Cluster.start({ ...CLUSTER, shards: 1 });
  const fleet = new WorkerFleet(cluster);
  const histograms: { workers: number; shard: number; histogram: StalenessHistogram }[] = [];
  try {
    const shards = [await MeteredShard.start(cluster), await MeteredShard.start(cluster)];
    for (const workers of WORKERS) {
      await fleet.be(new Array<number>(workers).fill(paddingMs));
      progress(`staleness of ${workers} workers`);
      await watchJob(
        cluster,
        { ...baseJob(seeds[0]!), shards: 3, strategy: { kind: 'async' } },
        {
          meter: fleet.meter,
          signal,
          timeoutMs: TIMEOUT_MS,
          until: ({ ledger }) => (ledger?.applied ?? 0) >= WATCHED_STEPS * workers,
        },
      );
      for (const [shard, one] of shards.entries())
        histograms.push({ workers, shard, histogram: await one.staleness() });
    }
  } finally {
    await cluster.stop();
  }
  return { histograms };
}

/** The median over the seeds of the largest rate that trains. */
async function largestRates({ options: { seeds }, signal, progress }: ExperimentContext) {
  const rates: { delay: number; scaling: (typeof SCALINGS)[number]; rate: number; bySeed: number[] }[] = [];
  const trainings = await Promise.all(seeds.map((seed) => staleTraining(baseJob(seed).model, seed)));
  for (const delay of DELAYS) {
    for (const scaling of SCALINGS) {
      progress(`largest rate with staleness ${delay}, ${scaling}`);
      const bySeed: number[] = [];
      for (const [i, train] of trainings.entries()) {
        const found = RATES.find((learningRate) => {
          signal.throwIfAborted();
          const rule = { kind: 'sgd', learningRate } as const;
          return (train({ rule, staleness: delay, scaling, steps: STEPS, seed: seeds[i]! }).accuracy ?? 0) >= TRAINS;
        });
        bySeed.push(found ?? NaN);
      }
      rates.push({ delay, scaling, rate: median(bySeed), bySeed });
    }
  }
  return rates;
}

/** Buckets of more than one value count with their upper end. */
function meanOf(histogram: StalenessHistogram): number {
  const all = histogram.reduce((sum, [, count]) => sum + count, 0);
  return histogram.reduce((sum, [end, count]) => sum + (count > 0 ? Number(end) * count : 0), 0) / all;
}
