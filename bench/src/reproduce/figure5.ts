import { median, short } from '../harness/statistics.ts';
import { lineChart } from '../harness/svg.ts';
import type { Experiment } from './experiment.ts';
import { TARGET_ACCURACY, timeToAccuracy } from './time-to-accuracy.ts';
import { downpour, downpourAdagrad, sandblaster, sync } from './ways.ts';

const WORKERS = [1, 2, 4, 8];
const LINES = {
  'Downpour SGD': WORKERS.map(downpour),
  'Downpour SGD, Adagrad': WORKERS.map(downpourAdagrad),
  sync: WORKERS.filter((workers) => workers > 1).map((workers) => sync(workers)),
  'Sandblaster L-BFGS': WORKERS.map(sandblaster),
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
      const measured = ways.map(({ name: way, workers }) => {
        const own = runs.filter((run) => run.way === way);
        const reached = own.flatMap(({ seconds }) => (seconds === null ? [] : [seconds]));
        const missed = reached.length < own.length ? ` (${reached.length} of ${own.length})` : '';
        return { workers, seconds: median(reached), text: `${short(median(reached))}${missed}` };
      });
      rows.push([name, ...WORKERS.map((workers) => measured.find((one) => one.workers === workers)?.text ?? '-')]);
      const points = measured.map(({ workers, seconds }): [number, number] => [workers, seconds]);
      return { name, points: points.filter(([, seconds]) => Number.isFinite(seconds)) };
    });
    const axes = {
      x: `workers; steps padded to ${paddingMs} ms, median of ${seeds.length} seeds`,
      y: `seconds to ${100 * TARGET_ACCURACY} % test accuracy`,
      log: 'both' as const,
    };
    return { rows, charts: { figure5: lineChart('Time to a fixed accuracy', axes, series) }, data: { runs } };
  },
};
