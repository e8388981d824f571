import { readFileSync } from 'node:fs';
import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { CLUSTER, type Experiment, type ExperimentContext } from './experiment.ts';
import { uploadFirstOfMnist } from './first-of-mnist.ts';
import { WorkerFleet } from './worker-fleet.ts';

const PARTITIONS = [1, 2, 4];
const HIDDEN_UNITS = new Array<number>(5).fill(2048);
/** A step's activations are little beside the parameters. */
const BATCH_SIZE = 16;
const EXAMPLES = 2 * BATCH_SIZE;
const TIMEOUT_MS = 600_000;
/** Beyond what an idle worker has, a worker with a limit may have so many times the whole model. */
const LIMIT_VECTORS = 8;
const MB = 1e6;

interface Run {
  partitions: number;
  /** RLIMIT_DATA of each worker; null: none. */
  limitBytes: number | null;
  /** Of each worker, largest first, when it had joined: resident, and what a limit counts. */
  idleBytes: number[];
  idleDataBytes: number[];
  /** The most that each has had, largest first; of workers that have ended nothing. */
  peakBytes: number[];
  /** Of each partition, largest first. */
  parameterBytes: number[];
  end: string;
}

/** Four layers of 2048 x 2048 and what is before and behind them: one of the four for each of four partitions. */
function jobOf(dataset: string, partitions: number, seed: number): JobSpecInput {
  const partitionOf = (layer: number) => Math.floor((Math.max(0, layer - 2) * partitions) / 4);
  const devices = Object.fromEntries(HIDDEN_UNITS.map((_, i) => [`hidden_${i + 1}`, partitionOf(i + 1)]));
  return {
    model: { zoo: 'mlp', hiddenUnits: HIDDEN_UNITS },
    dataset,
    batchSize: BATCH_SIZE,
    epochs: 1,
    seed,
    updateRule: { kind: 'sgd', learningRate: 0.01 },
    log: { storage: 'none' },
    shards: 4,
    ...(partitions > 1 && { partitions: { count: partitions, devices: { ...devices, '*': partitions - 1 } } }),
  };
}

async function measure(
  cluster: Cluster,
  job: JobSpecInput,
  limitBytes: number | null,
  { signal }: Pick<ExperimentContext, 'signal'>,
): Promise<Run> {
  const partitions = job.partitions?.count ?? 1;
  const fleet = new WorkerFleet(cluster, {}, limitBytes);
  await fleet.be(new Array<number>(partitions).fill(0));
  const { pids } = fleet;
  const of = (field: Parameters<typeof statusBytes>[1]) =>
    pids.map((pid) => statusBytes(pid, field)).filter((bytes) => !Number.isNaN(bytes));
  const [idleBytes, idleDataBytes] = [of('VmRSS'), of('VmData')];
  const { client } = cluster;
  const { id } = await client.submit(job);
  const over = new AbortController();
  // A worker that is refused memory ends, and nobody comes in its place.
  void fleet.anyEnd().then(() => over.abort(new Error('a worker has ended')));
  const stop = AbortSignal.any([signal, over.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const end = await client.untilTerminal(id, { signal: stop, pollMs: 200 }).then(
    ({ state, reason }) => (reason ? `${state}: ${reason}` : state),
    async (error: unknown) => {
      signal.throwIfAborted();
      await client.cancel(id);
      return error instanceof Error ? error.message : String(error);
    },
  );
  const record = await client.job(id);
  const counts =
    partitions > 1
      ? await client.graph(id).then((graph) => graph.partitions.map((part) => part.parameters))
      : [record.parameters ?? NaN];
  const run = {
    partitions,
    limitBytes,
    idleBytes,
    idleDataBytes,
    peakBytes: of('VmHWM'),
    parameterBytes: counts.map((n) => 4 * n),
    end,
  };
  for (const list of [run.idleBytes, run.idleDataBytes, run.peakBytes, run.parameterBytes]) list.sort((a, b) => b - a);
  await fleet.be([]);
  return run;
}

/** What each worker's memory comes to while a model is prepared, trained, evaluated and exported; and what workers with a limit can train. */
export const memory: Experiment = {
  name: 'memory',
  title: 'memory: workers of a model in 1, 2 and 4 partitions, then with a limit that the whole model does not fit',
  async run({ options, signal, progress }) {
    const cluster = await Cluster.start(CLUSTER);
    const runs: Run[] = [];
    try {
      const { id } = await uploadFirstOfMnist(cluster, EXAMPLES, EXAMPLES);
      const [seed = 1] = options.seeds;
      for (const partitions of PARTITIONS) {
        progress(`${partitions} partitions`);
        runs.push(await measure(cluster, jobOf(id, partitions, seed), null, { signal }));
      }
      const [whole] = runs;
      const limit = whole!.idleDataBytes[0]! + LIMIT_VECTORS * whole!.parameterBytes[0]!;
      for (const partitions of [1, 4]) {
        progress(`${partitions} partitions, limited`);
        runs.push(await measure(cluster, jobOf(id, partitions, seed), limit, { signal }));
      }
    } finally {
      await cluster.stop();
    }
    const mb = (list: readonly number[]) => list.map((bytes) => (bytes / MB).toFixed(0)).join(', ');
    const rows = [
      [
        'partitions',
        'limit (MB)',
        'parameters of each (MB)',
        'peak RSS of each worker (MB)',
        'before the job (MB)',
        'end',
      ],
      ...runs.map(({ partitions, limitBytes, parameterBytes, peakBytes, idleBytes, end }) => [
        String(partitions),
        limitBytes === null ? 'none' : mb([limitBytes]),
        mb(parameterBytes),
        mb(peakBytes),
        mb(idleBytes),
        end,
      ]),
    ];
    return { rows, charts: {}, data: { runs } };
  },
};

/** Linux: resident memory, the most that it has been, and memory of its own that may be written to. NaN: the process has ended. */
function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM' | 'VmData'): number {
  try {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib) * 1024;
  } catch {
    return NaN;
  }
}
