import type { Bench, Figure } from '../bench.ts';
import { nameOf, type WorkloadName } from '../workloads.ts';

const AIMS: Partial<Record<WorkloadName, number>> = { cnn: 3, 'mlp-small': 1.5 };

/** Examples a second of a whole system of two workers against one process that runs tfjs-node's own training loop. */
export const speed: Bench = {
  id: '2',
  title: 'whole system, 2 workers + 2 shards + NATS: speed',
  async run({ system }) {
    const figures: Figure[] = [];
    for (const { workload, configurations, fit } of await system.measured()) {
      const baseline = {
        name: 'tfjs-node model.fit, one process',
        values: fit.map(({ examples, seconds }) => examples / seconds),
      };
      for (const { configuration, windows } of configurations) {
        const aim = AIMS[workload];
        figures.push({
          name: `${workload}, ${nameOf(configuration)}`,
          unit: 'examples/s',
          values: windows.map(({ examplesPerSecond }) => examplesPerSecond),
          baseline,
          aim: aim === undefined || configuration.n !== 1 ? null : { least: aim },
        });
      }
    }
    return { figures };
  },
};
