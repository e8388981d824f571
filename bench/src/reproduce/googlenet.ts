import type { JobRecord, JobSpecInput, ModelGraph } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { short } from '../harness/statistics.ts';
import { accountOf } from './account-of.ts';
import { CLUSTER, type Experiment } from './experiment.ts';
import { imageFolder } from './image-folder.ts';
import { MeasuredRuns } from './measured-runs.ts';
import { watchJob, type Watched } from './watch-job.ts';
import { WorkerFleet } from './worker-fleet.ts';

/** Images are made so large when they are uploaded. */
const SIZE = 32;
const TIMEOUT_MS = 1_800_000;

/** Folders of Fashion-MNIST's images. */
const FOLDERS = {
  /** By heart: evaluated on the images that are trained, as they are without crop and flip. */
  few: { train: 256, test: 256, testSplit: 'train' },
  many: { train: 12_800, test: 1000, testSplit: 'test' },
} as const;

interface Way {
  name: string;
  folder: keyof typeof FOLDERS;
  partitions?: number;
  model: JobSpecInput['model'];
  epochs: number;
  job?: Partial<JobSpecInput>;
}

/** Adam's rate falls to nothing at the end. */
const learn = (folder: Way['folder'], model: Way['model'], epochs: number, partitions = 1): Omit<Way, 'name'> => ({
  folder,
  model,
  epochs,
  partitions,
  job: { learningRateSchedule: { kind: 'cosine', over: epochs }, evaluateEvery: epochs / 2 },
});
const SMALL = { zoo: 'googlenet-small' } as const;
const LARGE = { zoo: 'googlenet', dropout: 0 } as const;
const WAYS: Way[] = [
  { name: 'googlenet', ...learn('few', LARGE, 60) },
  { name: 'googlenet in 2', ...learn('few', LARGE, 60, 2) },
  { name: 'googlenet in 4', ...learn('few', LARGE, 60, 4) },
  {
    name: 'googlenet-small, crop and flip',
    folder: 'few',
    model: SMALL,
    epochs: 80,
    job: { augment: { crop: 4, flip: true }, evaluateEvery: 10 },
  },
  { name: 'googlenet-small', ...learn('many', SMALL, 4) },
  { name: 'googlenet-small', ...learn('many', SMALL, 1) },
  { name: 'googlenet-small in 2', ...learn('many', SMALL, 1, 2) },
  { name: 'googlenet-small in 4', ...learn('many', SMALL, 1, 4) },
];

interface Run {
  evaluations: Watched['evaluations'];
  problems: string[];
  graph: ModelGraph | null;
  end: JobRecord;
}

/** GoogLeNet as users train it: images in folders, uploaded, auxiliary classifiers of weight 0.3, one replica, whole and cut. */
export const googlenet: Experiment = {
  name: 'googlenet',
  title: `GoogLeNet on folders of Fashion-MNIST's images in ${SIZE}x${SIZE}`,
  async run({ options, signal, progress }) {
    const measured = MeasuredRuns.of<Run>('googlenet-runs', options);
    const rows = [['', 'images', 'steps', 'accuracy, %', 'loss', 'examples/s', 'ledger']];
    const runs = [];
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      for (const { name, folder, partitions = 1, model, epochs, job } of WAYS) {
        const spec = {
          model,
          seed: options.seeds[0]!,
          batchSize: 32,
          epochs,
          updateRule: { kind: 'adam' as const, learningRate: 0.001 },
          log: { storage: 'memory' as const },
          ...job,
          ...(partitions > 1 && { partitions: { count: partitions } }),
        };
        const what = { folder: FOLDERS[folder], size: SIZE, spec };
        let run = measured.get(what);
        if (!run) {
          progress(name);
          await fleet.be(new Array<number>(partitions).fill(0));
          const watched = await watchJob(
            cluster,
            { ...spec, dataset: await upload(cluster, folder) },
            {
              meter: fleet.meter,
              signal,
              timeoutMs: TIMEOUT_MS,
              onEvaluation: ({ epoch, accuracy, loss }) =>
                progress(`  ${epoch.toFixed(2)} epochs: ${(100 * accuracy).toFixed(1)} %, loss ${short(loss)}`),
            },
          );
          const { evaluations, problems, jobId } = watched;
          for (const problem of problems) progress(`  ${problem}`);
          const graph = partitions > 1 ? await cluster.client.graph(jobId) : null;
          run = measured.add(what, { evaluations, problems, graph, end: watched.end! });
        }
        const { result, ledger } = run.end;
        const { exact, text } = accountOf(run.end, epochs * FOLDERS[folder].train);
        if (!exact) throw new Error(`${name}: the ledger is not exact: ${text}`);
        runs.push({ name, ...run });
        rows.push([
          name,
          String(FOLDERS[folder].train),
          String(ledger[0]!.applied),
          (100 * (result?.accuracy ?? NaN)).toFixed(1),
          short(result?.loss ?? NaN),
          short(result?.examplesPerSecond ?? NaN),
          text,
        ]);
      }
    } finally {
      await cluster.stop();
    }
    return { rows, charts: {}, data: { runs } };
  },
};

/** The same upload twice is stored once. */
async function upload(cluster: Cluster, folder: keyof typeof FOLDERS): Promise<string> {
  const { train, testSplit, test } = FOLDERS[folder];
  const files = {
    train: await imageFolder('fashion-mnist', 'train', train),
    test: await imageFolder('fashion-mnist', testSplit, test),
  };
  const record = await cluster.client.upload(
    { name: `fashion-${folder}`, format: 'images', width: SIZE, height: SIZE, channels: 1, testShare: 0 },
    files,
  );
  return record.id;
}
