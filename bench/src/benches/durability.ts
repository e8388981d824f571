import type { Bench, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { measureTraining } from '../harness/training-window.ts';
import { SHARDS, WORKERS } from '../whole-system.ts';
import { endlessJob, type Configuration } from '../workloads.ts';

const LOGS = ['none', 'memory', 'file'] as const;
/** Of the speed without a log. */
const AIMS: Record<Configuration['log'], number | null> = { none: null, memory: 0.9, file: 0.8 };

/** What a push log costs: examples a second with one in memory and on file, against none. */
export const durability: Bench = {
  id: '10',
  title: 'durability: the push log in memory and on file',
  extra: 'full',
  async run({ options, progress, signal }) {
    const figures: Figure[] = [];
    progress('starting a cluster');
    const cluster = await Cluster.start({ workers: WORKERS, shards: SHARDS });
    try {
      for (const workload of options.workloads) {
        const speeds = new Map<string, number[]>(LOGS.map((log) => [log, []]));
        for (let repetition = 0; repetition < options.repetitions; repetition++)
          for (const log of LOGS) {
            signal.throwIfAborted();
            progress(`${workload}, log: ${log}, ${repetition + 1} of ${options.repetitions}`);
            const [window] = await measureTraining(cluster, endlessJob(workload, { log, shards: SHARDS }), {
              warmUpMs: 2000,
              windowMs: options.windowMs,
              windows: 1,
              signal,
            });
            speeds.get(log)!.push(window!.examplesPerSecond);
          }
        for (const log of LOGS.slice(1)) {
          const least = workload === 'cnn' ? AIMS[log] : null;
          figures.push({
            name: `${workload}, log: ${log}`,
            unit: 'examples/s',
            values: speeds.get(log)!,
            baseline: { name: 'no log', values: speeds.get('none')! },
            aim: least === null ? null : { least },
          });
        }
      }
    } finally {
      await cluster.stop();
    }
    return { figures };
  },
};
