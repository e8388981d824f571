import { median, short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import type { Experiment } from './experiment.ts';
import { TARGET_ACCURACY, timeToAccuracy } from './time-to-accuracy.ts';
import { downpour, downpourAdagrad, sync } from './ways.ts';

const WORKERS = [1, 2, 4, 8];
const LINES = {
  'Downpour SGD': WORKERS.map(downpour),
  'Downpour SGD, Adagrad': WORKERS.map(downpourAdagrad),
  sync: WORKERS.filter((workers) => workers > 1).map((workers) => sync(workers)),
};

/** A padded step is a core's work for its worker: workers stand for cores. */
export const figure5: Experiment = {
  name: 'figure5',
  title: `figure 5 of the paper: time to ${100 * TARGET_ACCURACY} % against the number of workers`,
  async run(context) {
    const runs = await timeToAccuracy(Object.values(LINES).flat(), context);
    const { seeds, paddingMs } = context.options;
    const rows = [['s, median', ...WORKERS.map((workers) => `${workers} worker${workers > 1 ? 's' : ''}`)]];
    const series = Object.entries(LINES).map(([name, ways]) => {
      const points = ways.map(({ name: way, workers }): [number, number] => {
        const seconds = runs.filter((run) => run.way === way).map((run) => run.seconds ?? NaN);
        return [workers, median(seconds)];
      });
      rows.push([name, ...WORKERS.map((workers) => short(points.find(([at]) => at === workers)?.[1] ?? NaN))]);
      return { name, points: points.filter(([, seconds]) => Number.isFinite(seconds)) };
    });
    const axes = {
      x: `workers; steps padded to ${paddingMs} ms, median of ${seeds.length} seeds`,
      y: `seconds to ${100 * TARGET_ACCURACY} % test accuracy`,
    };
    return { rows, charts: { figure5: lineChart('Time to a fixed accuracy', axes, series) }, data: { runs } };
  },
};
