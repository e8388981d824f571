import type { Bench, Detail, Figure } from '../bench.ts';
import { median, short } from '../harness/statistics.ts';
import type { Measured } from '../whole-system.ts';
import { nameOf, type Configuration, type WorkloadName } from '../workloads.ts';

const AIMS: Partial<Record<WorkloadName, number>> = { cnn: 1.35, 'mlp-small': 2.5, 'mlp-large': 1.8 };
const AIM_SMALL_N4 = 1.5;

/** CPU seconds of all processes for 1000 examples against what the arithmetic alone costs when two processes do it at once. */
export const cpu: Bench = {
  id: '3',
  title: 'whole system, 2 workers + 2 shards + NATS: CPU of all processes',
  async run({ system }) {
    const all = await system.measured();
    const figures: Figure[] = [];
    for (const { workload, configurations, bare } of all) {
      const values = bare.map(({ examples, cpuSeconds }) => (1000 * cpuSeconds) / examples);
      const baseline = { name: 'two bare compiled steps at once', values };
      for (const { configuration, windows } of configurations) {
        figures.push({
          name: `${workload}, ${nameOf(configuration)}`,
          unit: 'CPU s / 1000 examples',
          values: windows.map(({ cpuPerThousand }) => cpuPerThousand),
          baseline,
          aim: aimOf(workload, configuration),
        });
      }
    }
    return { figures, details: [whereItGoes(all)] };
  },
};

function aimOf(workload: WorkloadName, { n }: Configuration): Figure['aim'] {
  const most = AIMS[workload];
  if (n === 1) return most === undefined ? null : { most };
  return workload === 'mlp-small' && n === 4 ? { most: AIM_SMALL_N4 } : null;
}

function whereItGoes(all: Measured[]): Detail {
  const roles = [...new Set(all.flatMap((m) => m.configurations.flatMap((c) => Object.keys(c.windows[0]!.cpuByRole))))];
  const kept = roles.filter((role) => role !== 'cli').sort();
  const head = ['CPU ms / 1000 examples, medians', 'all', ...kept, 'bytes/example', 'staleness'];
  const rows = all.flatMap(({ workload, configurations, bare }) => [
    [`${workload}, bare step`, short(median(bare.map((b) => (1e6 * b.cpuSeconds) / b.examples)))],
    ...configurations.map(({ configuration, windows }) => [
      `${workload}, ${nameOf(configuration)}`,
      short(1000 * median(windows.map(({ cpuPerThousand }) => cpuPerThousand))),
      ...kept.map((role) => short(1000 * median(windows.map(({ cpuByRole }) => cpuByRole[role] ?? 0)))),
      short(median(windows.map(({ bytesPerExample }) => bytesPerExample))),
      short(median(windows.map(({ staleness }) => staleness))),
    ]),
  ]);
  return { title: 'Where the CPU goes', rows: [head, ...rows.map((row) => head.map((_, i) => row[i] ?? ''))] };
}
