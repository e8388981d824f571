import type { JobSpecInput } from '@downpour/contracts';
import type { Bench, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { SHARDS, WORKERS } from '../whole-system.ts';
import { BATCH_SIZE, ENCODINGS, WORKLOADS } from '../workloads.ts';

const DATASETS = ['mnist', 'fashion-mnist'];
const SEEDS = [1, 2, 3];
const EPOCHS = 5;
/** Points that an encoding may cost. */
const AIM_POINTS = 0.1;
const TIMEOUT_MS = 600_000;

/** What less on the wire costs in accuracy: the default rule, without a log, over three seeds. */
export const accuracy: Bench = {
  id: 'accuracy',
  title: `encodings: test accuracy after ${EPOCHS} epochs, mean of ${SEEDS.length} seeds`,
  extra: 'on-request',
  async run({ options, progress, signal }) {
    const [workload = 'mlp-small'] = options.workloads;
    const encodings = Object.keys(ENCODINGS);
    const figures: Figure[] = [];
    const rows: string[][] = [];
    progress('starting a cluster');
    const cluster = await Cluster.start({ workers: WORKERS, shards: SHARDS });
    try {
      for (const dataset of DATASETS) {
        const means = new Map<string, number>();
        for (const encoding of encodings) {
          const reached: number[] = [];
          for (const seed of SEEDS) {
            progress(`${workload} on ${dataset} in ${encoding}, seed ${seed}`);
            reached.push(100 * (await train(cluster, jobOf(dataset, encoding, seed, WORKLOADS[workload]), signal)));
          }
          const mean = reached.reduce((sum, value) => sum + value, 0) / reached.length;
          means.set(encoding, mean);
          const below = means.get(encodings[0]!)! - mean;
          rows.push([
            `${dataset}, ${encoding}`,
            mean.toFixed(2),
            ...reached.map((value) => value.toFixed(2)),
            below.toFixed(2),
          ]);
          figures.push({
            name: `${workload}, ${dataset}, ${encoding}: below ${encodings[0]}`,
            unit: 'points',
            values: [below],
            baseline: null,
            aim: { most: AIM_POINTS },
          });
        }
      }
    } finally {
      await cluster.stop();
    }
    const head = ['%', 'mean', ...SEEDS.map((seed) => `seed ${seed}`), `below ${encodings[0]}`];
    return { figures, details: [{ title: `${workload}: test accuracy`, rows: [head, ...rows] }] };
  },
};

const jobOf = (dataset: string, encoding: string, seed: number, model: JobSpecInput['model']): JobSpecInput => ({
  name: `bench accuracy ${dataset} ${encoding} ${seed}`,
  model,
  dataset,
  batchSize: BATCH_SIZE,
  epochs: EPOCHS,
  evaluateEvery: EPOCHS,
  seed,
  encoding: ENCODINGS[encoding]!,
  log: { storage: 'none' },
  shards: SHARDS,
});

async function train({ client }: Cluster, spec: JobSpecInput, signal: AbortSignal): Promise<number> {
  const { id } = await client.submit(spec);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const job = await client.untilTerminal(id, { signal: stop, pollMs: 100 });
  if (!job.result) throw new Error(`Job ${id} ${job.state}: ${job.reason}`);
  return job.result.accuracy ?? 0;
}
