import type { JobSpecInput } from '@downpour/contracts';
import type { Bench, BenchContext, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { WireChild, type Moved, type TrafficMode } from '../harness/wire-child.ts';
import { UPDATE_RULE } from '../workloads.ts';

const AIM = 0.8;
const MODES: readonly TrafficMode[] = ['pull', 'push', 'both'];
/** Hidden units of an MLP on MNIST whose parameters are about so many bytes in float32. */
const VECTORS = [
  { name: '10 MB', hiddenUnits: [3144] },
  { name: '100 MB', hiddenUnits: [4096, 5325] },
];
const SIZES = [
  [1, 1],
  [2, 2],
  [4, 2],
] as const;

/** The classic bench of parameter servers, "workers add to vectors on the servers", against plain NATS that moves the same bytes. */
export const traffic: Bench = {
  id: '4',
  title: 'traffic: workers pull from and push to shards',
  async run(context) {
    const { quick } = context.options;
    const figures: Figure[] = [];
    for (const [n, m] of quick ? [[2, 2] as const] : SIZES)
      for (const vector of quick ? VECTORS.slice(0, 1) : VECTORS)
        figures.push(...(await measure(n, m, vector, context)));
    return { figures };
  },
};

async function measure(n: number, m: number, vector: (typeof VECTORS)[number], context: BenchContext) {
  const { options, progress, signal } = context;
  const what = `${n} workers x ${m} shards, ${vector.name}`;
  progress(`${what}: starting a cluster`);
  // A cluster for each: its log on disk goes with it.
  const cluster = await Cluster.start({ workers: 0, shards: m });
  const { natsUrl, client } = cluster;
  const [workers, servers] = await Promise.all(
    [n, m].map((count) => Promise.all(Array.from({ length: count }, () => WireChild.start()))),
  );
  try {
    await Promise.all(workers!.map((child, i) => child.ask({ ask: 'join', natsUrl, workers: 1, prepares: i === 0 })));
    const { id: jobId } = await client.submit(vectorJob(vector.hiddenUnits, m));
    const partBytes = await partOf(cluster, jobId, m, signal);
    const names = servers!.map((_, i) => `s${i}`);
    await Promise.all(servers!.map((child, i) => child.ask({ ask: 'serveRaw', natsUrl, name: names[i]!, partBytes })));
    const figures: Figure[] = [];
    for (const mode of MODES) {
      const values = { ours: [] as number[], raw: [] as number[] };
      // The first is not counted: memory is taken then.
      for (let repetition = 0; repetition <= options.repetitions; repetition++) {
        signal.throwIfAborted();
        progress(`${what}: ${mode}, ${repetition} of ${options.repetitions}`);
        const windowMs = options.windowMs / 2;
        const raw = await Promise.all(
          workers!.map((child) => child.ask<Moved>({ ask: 'raw', natsUrl, names, mode, partBytes, windowMs })),
        );
        const ours = await Promise.all(
          workers!.map((child, worker) => child.ask<Moved>({ ask: 'traffic', jobId, mode, windowMs, worker, of: n })),
        );
        if (repetition === 0) continue;
        values.raw.push(gigabytesPerSecond(raw));
        values.ours.push(gigabytesPerSecond(ours));
      }
      const name = { pull: 'raw NATS request/reply', push: 'raw NATS publish', both: 'raw NATS, both' }[mode];
      figures.push({
        name: `${what}: ${mode}`,
        unit: 'GB/s',
        values: values.ours,
        baseline: { name, values: values.raw },
        aim: { least: AIM },
      });
    }
    await client.cancel(jobId);
    return figures;
  } finally {
    await Promise.all([...workers!, ...servers!].map((child) => child.stop()));
    await cluster.stop();
  }
}

function gigabytesPerSecond(moved: Moved[]): number {
  return moved.reduce((sum, { bytes, seconds }) => sum + bytes / seconds, 0) / 1e9;
}

/** Bytes of one shard, once the job is in training. */
async function partOf({ client }: Cluster, jobId: string, shards: number, signal: AbortSignal): Promise<number> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(120_000)]);
  for await (const event of client.events(jobId, stop)) {
    if (event.type === 'problem') throw new Error(event.message);
    if (event.type === 'state' && event.state === 'failed') throw new Error(`Job ${jobId} failed: ${event.reason}`);
    if (event.type !== 'shard' || event.state !== 'serving') continue;
    const { parameters } = await client.job(jobId);
    return 4 * Math.ceil(parameters! / shards);
  }
  throw new Error(`Job ${jobId} ended before it began`);
}

function vectorJob(hiddenUnits: number[], shards: number): JobSpecInput {
  return {
    name: 'bench traffic',
    model: { zoo: 'mlp', hiddenUnits },
    dataset: 'mnist',
    epochs: 10_000,
    evaluateEvery: 100_000,
    updateRule: UPDATE_RULE,
    shards,
  };
}
