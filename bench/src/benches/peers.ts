import type { Bench, Figure } from '../bench.ts';
import { nameOf, type WorkloadName } from '../workloads.ts';

/** Against TensorFlow's parameter servers; the others only have to be passed. */
const AIMS: Partial<Record<WorkloadName, number>> = { cnn: 1.25, 'mlp-small': 2, 'mlp-large': 1.2 };

/** Examples for a CPU second of all processes, against what Python's TensorFlow offers for the same: two workers, a thread each. */
export const peers: Bench = {
  id: '9',
  title: "whole system against Python TensorFlow's own",
  extra: 'peers',
  async run({ system, options }) {
    if (!options.peers) throw new Error('Bench 9 needs --peers');
    const figures: Figure[] = [];
    for (const { workload, configurations, peers: others } of await system.measured()) {
      for (const { name, windows: theirs } of others) {
        const baseline = { name, values: theirs.map(({ examples, cpuSeconds }) => examples / cpuSeconds) };
        const least = name.includes('ParameterServer') ? (AIMS[workload] ?? 1) : 1;
        for (const { configuration, windows } of configurations) {
          figures.push({
            name: `${workload}, ${nameOf(configuration)}`,
            unit: 'examples / CPU s',
            values: windows.map(({ cpuPerThousand }) => 1000 / cpuPerThousand),
            baseline,
            aim: configuration.n === 1 ? { least } : null,
          });
        }
      }
    }
    return { figures };
  },
};
