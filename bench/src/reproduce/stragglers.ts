import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { barChart, type Bar } from '../harness/svg.ts';
import { BATCH_SIZE, baseJob, CLUSTER, type Experiment } from './experiment.ts';
import { WorkerFleet } from './worker-fleet.ts';
import { crossing, watchJob } from './watch-job.ts';

const WORKERS = 4;
const SLOWER = 5;
/** Steps of one undisturbed worker that go by before counting begins, and that four of them are then counted for. */
const WARM_UP_STEPS = 30;
const COUNTED_STEPS = 40;
const AIM = 1.15;

const STRATEGIES: Record<string, NonNullable<JobSpecInput['strategy']>> = {
  async: { kind: 'async' },
  'ssp, staleness 3': { kind: 'ssp', staleness: 3 },
  sync: { kind: 'sync' },
  'sync, 1 backup': { kind: 'sync', backups: 1 },
  'localSgd, 8 steps': { kind: 'localSgd', localSteps: 8 },
  'localSgd, 8 steps, 1 backup': { kind: 'localSgd', localSteps: 8, backups: 1 },
};

/** The paper's section 4.2 and Chen et al. 2016: what one slow machine costs everybody. */
export const stragglers: Experiment = {
  name: 'stragglers',
  title: `one of ${WORKERS} workers ${SLOWER} times slower: time to a fixed number of examples`,
  async run({ options: { seeds, paddingMs }, signal, progress }) {
    const examples = WORKERS * COUNTED_STEPS * BATCH_SIZE;
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    const even = new Array<number>(WORKERS).fill(paddingMs);
    const cases = { even, uneven: [...even.slice(1), SLOWER * paddingMs] };
    const runs: {
      strategy: string;
      workers: string;
      seed: number;
      seconds: number | null;
      ledger: unknown;
      problems: string[];
    }[] = [];
    try {
      for (const [workers, paddings] of Object.entries(cases)) {
        await fleet.be(paddings);
        const { meter } = fleet;
        for (const seed of seeds) {
          for (const [strategy, spec] of Object.entries(STRATEGIES)) {
            progress(`${strategy}, ${workers} workers, seed ${seed}`);
            // Those with one in SLOWER that all wait for get the time they need.
            const slowest = (SLOWER + 1) * (WARM_UP_STEPS + COUNTED_STEPS) * paddingMs;
            let begin: number | null = null;
            const watched = await watchJob(
              cluster,
              { ...baseJob(seed), strategy: spec },
              {
                meter,
                signal,
                timeoutMs: 20_000 + slowest,
                until: ({ progress: seen }) => {
                  const last = seen.at(-1);
                  if (last && last.seconds * 1000 >= WARM_UP_STEPS * paddingMs) begin ??= last.examples;
                  return begin !== null && last!.examples >= begin + examples;
                },
              },
            );
            const curve = watched.progress.map((at) => [at.seconds, at.examples] as const);
            const [from, to] = [crossing(curve, begin ?? Infinity), crossing(curve, (begin ?? Infinity) + examples)];
            const seconds = from === null || to === null ? null : to - from;
            const { ledger, problems } = watched;
            runs.push({ strategy, workers, seed, seconds, ledger, problems });
            progress(`  ${seconds?.toFixed(2)} s ${problems.join('; ')}`);
          }
        }
      }
    } finally {
      await cluster.stop();
    }
    const of = (strategy: string, workers: string) =>
      runs.filter((run) => run.strategy === strategy && run.workers === workers).map(({ seconds }) => seconds ?? NaN);
    const late = (strategy: string) =>
      runs
        .filter((run) => run.strategy === strategy && run.workers === 'uneven')
        .map(({ ledger }) => (ledger as { lateDropped: number } | null)?.lateDropped ?? NaN);
    const bars: Bar[] = [];
    const rows = [['strategy', 's, all equal', 's, one slow', 'ratio', 'lowest - highest', 'late, dropped']];
    for (const strategy of Object.keys(STRATEGIES)) {
      const [fast, slow] = [of(strategy, 'even'), of(strategy, 'uneven')];
      const ratios = slow.map((value) => value / median(fast));
      const range: [number, number] = [Math.min(...ratios), Math.max(...ratios)];
      rows.push([
        strategy,
        short(median(fast)),
        short(median(slow)),
        median(ratios).toFixed(2),
        range.map((value) => value.toFixed(2)).join(' - '),
        short(median(late(strategy))),
      ]);
      bars.push({
        label: strategy,
        value: median(ratios),
        range,
        aim: strategy.endsWith('backup') ? { most: AIM } : null,
      });
    }
    const axis = `time for ${examples.toLocaleString('en')} examples over that without a straggler; steps padded to ${paddingMs} ms, ${seeds.length} seeds`;
    return {
      rows,
      charts: { stragglers: barChart(`One of four workers ${SLOWER} times slower`, axis, bars) },
      data: { examples, slower: SLOWER, runs },
    };
  },
};
