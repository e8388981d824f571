import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { barChart, type Bar } from '../harness/svg.ts';
import { CLUSTER, type Experiment } from './experiment.ts';
import { uploadFirstOfMnist } from './first-of-mnist.ts';
import { MeasuredRuns } from './measured-runs.ts';
import { COUNTED_EXAMPLES, secondsInFullSwing, stragglerJob, type StragglerRun } from './straggler-run.ts';
import { WorkerFleet } from './worker-fleet.ts';

const WORKERS = 4;
const SLOWER = 5;
/** Of the time without a straggler. */
const AIM = 1.15;
/** What the workers that are as fast as most, and one in SLOWER, do of what all did: with nothing wasted it takes so many times as long. */
const LOST_WORK = WORKERS / (WORKERS - 1 + 1 / SLOWER);

interface Subject {
  spec: NonNullable<JobSpecInput['strategy']>;
  /** The ratio that is to be reached. */
  aim?: number;
}

const STRATEGIES: Record<string, Subject> = {
  async: { spec: { kind: 'async' } },
  'ssp, staleness 3': { spec: { kind: 'ssp', staleness: 3 } },
  sync: { spec: { kind: 'sync' } },
  'sync, 1 backup': { spec: { kind: 'sync', backups: 1 }, aim: AIM },
  'localSgd, 8 steps': { spec: { kind: 'localSgd', localSteps: 8 } },
  'localSgd, 8 steps, 1 backup': { spec: { kind: 'localSgd', localSteps: 8, backups: 1 }, aim: AIM },
  'sandblaster, no backups': { spec: { kind: 'sandblaster', backupPortions: false } },
  // Whose workers all count when they are alike: what the slow one does not do is missing.
  'sandblaster, backup portions': { spec: { kind: 'sandblaster' }, aim: AIM * LOST_WORK },
};

/** The paper's section 4.2 and Chen et al. 2016: what one slow machine costs everybody. */
export const stragglers: Experiment = {
  name: 'stragglers',
  title: `one of ${WORKERS} workers ${SLOWER} times slower: time to a fixed number of examples`,
  async run({ options, signal, progress }) {
    const { seeds, paddingMs } = options;
    const even = new Array<number>(WORKERS).fill(paddingMs);
    const cases = { even, uneven: [...even.slice(1), SLOWER * paddingMs], away: even.slice(1) };
    const measured = MeasuredRuns.of<StragglerRun>('straggler-runs', options);
    const runs: StragglerRun[] = [];
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      const { id: dataset } = await uploadFirstOfMnist(cluster, COUNTED_EXAMPLES);
      for (const [workers, paddings] of Object.entries(cases)) {
        for (const seed of seeds) {
          for (const [strategy, { spec }] of Object.entries(STRATEGIES)) {
            const job = stragglerJob(spec, seed);
            const before = measured.get([paddings, job]);
            if (before) {
              runs.push(before);
              continue;
            }
            await fleet.be(paddings);
            progress(`${strategy}, ${workers} workers, seed ${seed}`);
            const pace = { dataset, paddingMs, slowestMs: Math.max(...paddings) };
            const seen = await secondsInFullSwing(cluster, job, pace, { meter: fleet.meter, signal });
            const run = measured.add([paddings, job], { strategy, workers, seed, ...seen });
            runs.push(run);
            progress(`  ${run.seconds?.toFixed(2)} s, load ${run.load} ${run.problems.join('; ')}`);
          }
        }
      }
    } finally {
      await cluster.stop();
    }
    const of = (strategy: string, workers: string) =>
      runs.filter((run) => run.strategy === strategy && run.workers === workers);
    const secondsOf = (strategy: string, workers: string) => of(strategy, workers).map(({ seconds }) => seconds ?? NaN);
    const bars: Bar[] = [];
    const rows = [
      ['strategy', 's, all alike', 's, one slow', 'ratio', 'lowest - highest', 's, slow one away', 'late or double'],
    ];
    for (const [strategy, { aim }] of Object.entries(STRATEGIES)) {
      const [fast, slow] = [secondsOf(strategy, 'even'), secondsOf(strategy, 'uneven')];
      const ratios = slow.map((value) => value / median(fast));
      const range: [number, number] = [Math.min(...ratios), Math.max(...ratios)];
      const dropped = of(strategy, 'uneven').map(({ ledger }) =>
        ledger ? ledger.lateDropped + ledger.duplicatesDropped : NaN,
      );
      rows.push([
        strategy,
        short(median(fast)),
        short(median(slow)),
        median(ratios).toFixed(2),
        range.map((value) => value.toFixed(2)).join(' - '),
        short(median(secondsOf(strategy, 'away'))),
        short(median(dropped)),
      ]);
      bars.push({ label: strategy, value: median(ratios), range, aim: aim === undefined ? null : { most: aim } });
    }
    const axis = `time for ${COUNTED_EXAMPLES.toLocaleString('en')} examples over that without a straggler; steps padded to ${paddingMs} ms, ${seeds.length} seeds`;
    return {
      rows,
      charts: { stragglers: barChart(`One of four workers ${SLOWER} times slower`, axis, bars) },
      data: { examples: COUNTED_EXAMPLES, slower: SLOWER, lostWork: LOST_WORK, runs },
    };
  },
};
