import type { JobSpecInput, ModelGraph } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { barChart } from '../harness/svg.ts';
import { baseJob, BATCH_SIZE, CLUSTER, type Experiment } from './experiment.ts';
import { watchJob } from './watch-job.ts';
import { wideConvolutions } from './wide-convolutions.ts';
import { WorkerFleet } from './worker-fleet.ts';

const PARTITIONS = [1, 2, 4];
const MICRO_BATCHES = 8;
const STEPS = 16;
const TIMEOUT_MS = 240_000;

interface Subject {
  /** A step of it takes so many times the padding. */
  times: number;
  part: (partitions: number) => Pick<JobSpecInput, 'model' | 'partitions'>;
}

/** Cut automatically. */
const mlp: Subject['part'] = (partitions) => ({
  model: { zoo: 'mlp', hiddenUnits: new Array<number>(12).fill(128) },
  ...(partitions > 1 && { partitions: { count: partitions, microBatches: MICRO_BATCHES } }),
});

/** A model whose step takes long, one whose step takes hardly longer than its tensors need to cross, and one with much to send. */
const MODELS: Record<string, Subject> = {
  'much to compute': { times: 8, part: mlp },
  'little to compute': { times: 0.5, part: mlp },
  'much to send': { times: 2, part: (partitions) => wideConvolutions(partitions, MICRO_BATCHES) },
};

interface Run {
  model: string;
  partitions: number;
  seed: number;
  msPerStep: number;
  /** Of the partition with most to do, of the whole. */
  largestShare: number;
  crossingBytes: number;
  problems: string[];
}

const jobOf = (part: Subject['part'], partitions: number, seed: number): JobSpecInput => ({
  ...baseJob(seed),
  ...part(partitions),
  updateRule: { kind: 'sgd', learningRate: 0.05 },
  shards: 4,
});

/**
 * With nothing to wait for: one micro-batch goes through all partitions, the others come out behind it as fast as the largest of them allows. Of equal ones Huang et al. 2019,
 * section 2.3.
 */
const bestOf = ({ largestShare }: Run): number => MICRO_BATCHES / (1 + (MICRO_BATCHES - 1) * largestShare);

/** The paper's figure 3: what a replica gains from partitions. */
export const figure3: Experiment = {
  name: 'figure3',
  title: 'one replica of 1, 2 and 4 partitions: time of a step',
  async run({ options, signal, progress }) {
    const runs: Run[] = [];
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      for (const [model, { times, part }] of Object.entries(MODELS))
        for (const partitions of PARTITIONS) {
          await fleet.be(new Array<number>(partitions).fill(times * options.paddingMs));
          for (const seed of options.seeds) {
            progress(`${model}, ${partitions} partitions, seed ${seed}`);
            let graph: ModelGraph | null = null;
            const { meter } = fleet;
            const until = ({ progress: points }: { progress: { examples: number }[] }) =>
              (points.at(-1)?.examples ?? 0) - (points[0]?.examples ?? 0) >= STEPS * BATCH_SIZE;
            const watched = await watchJob(cluster, jobOf(part, partitions, seed), {
              meter,
              signal,
              timeoutMs: TIMEOUT_MS,
              until,
            });
            if (partitions > 1) graph = await cluster.client.graph(watched.jobId);
            const last = watched.progress.at(-1);
            const steps = ((last?.examples ?? 0) - (watched.progress[0]?.examples ?? 0)) / BATCH_SIZE;
            const costs = graph?.partitions.map(({ costMs }) => costMs) ?? [1];
            runs.push({
              model,
              partitions,
              seed,
              msPerStep: (1000 * (last?.seconds ?? NaN)) / steps,
              largestShare: Math.max(...costs) / costs.reduce((sum, cost) => sum + cost, 0),
              crossingBytes: graph?.edges.reduce((sum, { bytes }) => sum + 2 * bytes * BATCH_SIZE, 0) ?? 0,
              problems: watched.problems,
            });
          }
        }
    } finally {
      await cluster.stop();
    }
    const of = (model: string, partitions: number) =>
      runs.filter((run) => run.model === model && run.partitions === partitions);
    const msOf = (model: string, partitions: number) => median(of(model, partitions).map(({ msPerStep }) => msPerStep));
    const rows = [['model', 'partitions', 'ms a step', 'speed-up', 'at best', 'largest part', 'kB cross a step']];
    const bars = [];
    for (const model of Object.keys(MODELS))
      for (const partitions of PARTITIONS) {
        const speedUps = of(model, partitions).map(({ msPerStep }) => msOf(model, 1) / msPerStep);
        const best = median(of(model, partitions).map(bestOf));
        rows.push([
          model,
          String(partitions),
          short(msOf(model, partitions)),
          median(speedUps).toFixed(2),
          best.toFixed(2),
          median(of(model, partitions).map(({ largestShare }) => largestShare)).toFixed(2),
          short(median(of(model, partitions).map(({ crossingBytes }) => crossingBytes)) / 1000),
        ]);
        const range: [number, number] = [Math.min(...speedUps), Math.max(...speedUps)];
        bars.push({ label: `${model}, ${partitions}`, value: median(speedUps), range, aim: null });
      }
    const padded = Object.entries(MODELS).map(([model, { times }]) => `${model}: ${times * options.paddingMs} ms`);
    const axis = `speed-up over one partition; steps padded (${padded.join(', ')}), ${options.seeds.length} seeds`;
    return { rows, charts: { figure3: barChart('Partitions of one replica', axis, bars) }, data: { runs } };
  },
};
