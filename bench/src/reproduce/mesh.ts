import { setTimeout as sleep } from 'node:timers/promises';
import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { accountOf } from './account-of.ts';
import { CLUSTER, type Experiment } from './experiment.ts';
import { watchJob } from './watch-job.ts';
import { WorkerFleet } from './worker-fleet.ts';

const PARTITIONS = 2;
/** Two replicas. */
const WORKERS = 2 * PARTITIONS;
const EPOCHS = 5;
const TARGET_ACCURACY = 0.99;
const MNIST_EXAMPLES = 60_000;
/** When a member is killed, and how long there is one too few for two replicas. */
const KILL_AT_EPOCH = 1.5;
const REPLACED_AFTER_MS = 20_000;
const TIMEOUT_MS = 2_400_000;

const jobOf = (seed: number): JobSpecInput => ({
  model: { zoo: 'mnist-cnn', dropout: 0.4 },
  dataset: 'mnist',
  seed,
  batchSize: 64,
  epochs: EPOCHS,
  updateRule: { kind: 'adam', learningRate: 0.001 },
  learningRateSchedule: { kind: 'cosine', over: EPOCHS },
  partitions: { count: PARTITIONS },
});

/** Model and data parallelism at once, and a member that dies: section 3 of the paper within its section 4. */
export const mesh: Experiment = {
  name: 'mesh',
  title: `2 replicas of ${PARTITIONS} partitions train mnist-cnn; a member is killed after ${KILL_AT_EPOCH} epochs, another comes ${REPLACED_AFTER_MS / 1000} s later`,
  async run({ options: { seeds }, signal, progress }) {
    const rows = [['seed', ...Array.from({ length: EPOCHS }, (_, i) => `epoch ${i + 1}`), 'minutes', 'ledger']];
    const runs = [];
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster);
    try {
      for (const seed of seeds) {
        await fleet.be(new Array<number>(WORKERS).fill(0));
        const started = performance.now();
        let replaced: Promise<void> | null = null;
        const { evaluations, problems, end } = await watchJob(cluster, jobOf(seed), {
          // Of processes that stay: a meter does not outlive what it measures.
          meter: cluster.meter,
          signal,
          timeoutMs: TIMEOUT_MS,
          onLook: ({ progress: points }) => {
            if ((points.at(-1)?.examples ?? 0) < KILL_AT_EPOCH * MNIST_EXAMPLES) return;
            replaced ??= (async () => {
              progress(`seed ${seed}: ${fleet.kill()} killed`);
              await sleep(REPLACED_AFTER_MS);
              await fleet.be(new Array<number>(WORKERS).fill(0));
            })();
          },
          onEvaluation: ({ epoch, accuracy }) =>
            progress(`seed ${seed}, epoch ${epoch.toFixed(2)}: ${(100 * accuracy).toFixed(2)} %`),
        });
        if (replaced === null) throw new Error(`The job ended before a member was killed: ${problems.join('; ')}`);
        await replaced;
        const account = accountOf(end!, EPOCHS * MNIST_EXAMPLES);
        const minutes = (performance.now() - started) / 60_000;
        runs.push({ seed, evaluations, problems, minutes, account, end });
        rows.push([
          String(seed),
          ...evaluations.map(({ accuracy }) => `${(100 * accuracy).toFixed(2)} %`),
          minutes.toFixed(1),
          account.text,
        ]);
        for (const problem of problems) progress(`  ${problem}`);
        if (!account.exact) throw new Error(`seed ${seed}: the ledger is not exact: ${account.text}`);
        if (!(end!.result!.accuracy! >= TARGET_ACCURACY))
          throw new Error(`seed ${seed}: ${end!.result!.accuracy} is less than ${TARGET_ACCURACY}`);
      }
    } finally {
      await cluster.stop();
    }
    return { rows, charts: {}, data: { runs } };
  },
};
