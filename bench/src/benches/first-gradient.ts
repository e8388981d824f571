import type { Bench, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { endlessJob, type WorkloadName } from '../workloads.ts';

const AIM_S = 2;
const TIMEOUT_MS = 60_000;
/** How often shards tell what they have applied in this bench: what a figure may be too high by. */
const EVENT_INTERVAL_MS = 25;

/** From POST /v1/jobs, with all services up, to the first gradient that a shard has applied. */
export const firstGradient: Bench = {
  id: '7',
  title: 'from submission to the first applied gradient',
  async run({ options, progress, signal }) {
    progress('starting a cluster');
    const cluster = await Cluster.start({
      workers: 2,
      shards: 2,
      env: { SHARD_EVENT_INTERVAL_MS: String(EVENT_INTERVAL_MS) },
    });
    const figures: Figure[] = [];
    try {
      for (const workload of options.workloads) {
        const values: number[] = [];
        for (let repetition = 0; repetition < options.repetitions; repetition++) {
          progress(`${workload}, ${repetition + 1} of ${options.repetitions}`);
          values.push(await untilFirstGradient(cluster, workload, signal));
        }
        figures.push({ name: workload, unit: 's', values, baseline: null, aim: { most: AIM_S } });
      }
    } finally {
      await cluster.stop();
    }
    return { figures };
  },
};

async function untilFirstGradient({ client }: Cluster, workload: WorkloadName, signal: AbortSignal): Promise<number> {
  const beganMs = performance.now();
  const { id } = await client.submit(endlessJob(workload));
  const stop = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    for await (const event of client.events(id, stop)) {
      if (event.type === 'problem') throw new Error(event.message);
      if (event.type === 'shard' && event.ledger.applied > 0) return (performance.now() - beganMs) / 1000;
    }
    throw new Error(`Job ${id} ended without a gradient`);
  } finally {
    await client.cancel(id);
    await client.untilTerminal(id, { signal: AbortSignal.timeout(TIMEOUT_MS), pollMs: 50 });
  }
}
