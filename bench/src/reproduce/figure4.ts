import { median, short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import type { Experiment } from './experiment.ts';
import { TARGET_ACCURACY, timeToAccuracy, type TimedRun } from './time-to-accuracy.ts';
import { downpour, downpourAdagrad, localSgd, sandblaster, ssp, sync } from './ways.ts';

const WAYS = [
  ...[1, 2, 4, 8].map(downpour),
  ...[4, 8].map(downpourAdagrad),
  ssp(4),
  sync(4),
  sync(4, 1),
  localSgd(4),
  ...[4, 8].map(sandblaster),
];

export const figure4: Experiment = {
  name: 'figure4',
  title: `figure 4 of the paper: test accuracy over time, and the way to ${100 * TARGET_ACCURACY} %`,
  async run(context) {
    const runs = await timeToAccuracy(WAYS, context);
    const { seeds, paddingMs } = context.options;
    const rows = [['', 's', 'lowest - highest', 'examples', 'CPU s', 'staleness', 'late, dropped', 'reached']];
    for (const { name } of WAYS) {
      const own = runs.filter(({ way }) => way === name);
      const of = (value: (run: TimedRun) => number | null) =>
        own.map(value).filter((one): one is number => one !== null);
      const seconds = of((run) => run.seconds);
      rows.push([
        name,
        short(median(seconds)),
        `${short(Math.min(...seconds))} - ${short(Math.max(...seconds))}`,
        short(median(of((run) => run.examples))),
        short(median(of((run) => run.cpuSeconds))),
        short(median(of((run) => run.stalenessMean))),
        short(median(of((run) => run.lateDropped))),
        `${seconds.length} of ${own.length}`,
      ]);
    }
    const series = runs
      .filter(({ seed }) => seed === seeds[0])
      .map(({ way, curve }) => ({
        name: way,
        points: curve
          .filter(([seconds]) => seconds > 0)
          .map(([seconds, accuracy]): [number, number] => [seconds, 100 * (1 - accuracy)]),
      }));
    const axes = {
      x: `seconds; steps padded to ${paddingMs} ms, seed ${seeds[0]}`,
      y: 'test error, %',
      log: 'x' as const,
    };
    return { rows, charts: { figure4: lineChart('Test error over time', axes, series) }, data: { runs } };
  },
};
