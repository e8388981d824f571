import { isDeepStrictEqual } from 'node:util';
import type { JobRecord } from '@downpour/contracts';
import { ChaosCluster } from './chaos-cluster.ts';
import type { ChaosMember } from './chaos-member.ts';
import type { ChaosOptions } from './chaos-run.ts';
import { JobWatch } from './job-watch.ts';
import { EXAMPLES } from './ways.ts';

export interface EveryBatchOutcome {
  undisturbed: JobRecord;
  disturbed: JobRecord;
  /** Of the disturbed job, in order: in which evaluation, counted from 0, and what part of it was done; how many workers were at work before. */
  kills: { evaluation: number; part: number; target: string; atWork: number; readyMs: number }[];
  deaths: string[];
}

/** A killed one comes back at once: what it takes to load TensorFlow is absence enough. */
const ABSENCE_MS = 0;
/** At least so long, on a machine whose cores are shared by all workers: so that a batch is no shorter than it takes a worker to come back. */
export const STEP_PADDING_MS = 150;

/** Trains by Sandblaster twice, the second time with a third of the workers killed in every batch, each at another point of it. Leaves no process behind. @throws the signal's reason */
export const runEveryBatch = async (options: ChaosOptions, signal: AbortSignal): Promise<EveryBatchOutcome> => {
  const { onNote } = options;
  const deaths: string[] = [];
  const onDeath = (name: string, how: string): void => void deaths.push(`${name} ended by itself (${how})`);
  const workerEnv = { STEP_PADDING_MS: String(STEP_PADDING_MS) };
  const cluster = await ChaosCluster.start({ ...options, workerEnv, onDeath });
  try {
    const watch = new JobWatch(cluster);
    const undisturbed = await watch.run({ ...options.spec, name: 'every batch, undisturbed' }, signal);
    onNote(`undisturbed: ${undisturbed.state}, ${seconds(undisturbed)} s, loss ${undisturbed.result?.loss}`);
    const killing = new KillInEveryBatch(cluster, options);
    const disturbed = await watch.run({ ...options.spec, name: 'every batch, disturbed' }, signal, (job) =>
      killing.look(job, signal),
    );
    onNote(`disturbed: ${disturbed.state}, ${seconds(disturbed)} s, loss ${disturbed.result?.loss}`);
    return { undisturbed, disturbed, kills: await killing.ended(), deaths };
  } finally {
    await cluster.stop();
  }
};

/** Sees to it that in each evaluation a third of the workers is killed, by turns, once some part of it is done. */
class KillInEveryBatch {
  readonly #workers: ChaosMember[];
  readonly #onNote: (line: string) => void;
  readonly #kills: Promise<EveryBatchOutcome['kills'][number]>[] = [];
  /** Killed, and not ready again. */
  readonly #absent = new Set<ChaosMember>();
  #last = -1;
  #turn = 0;

  constructor(cluster: ChaosCluster, { onNote }: ChaosOptions) {
    this.#workers = cluster.members.filter(({ role }) => role === 'worker');
    this.#onNote = onNote;
  }

  look({ state, progress }: JobRecord, signal: AbortSignal): void {
    const done = progress?.epochsDone ?? 0;
    const evaluation = Math.floor(done);
    const part = done - evaluation;
    if (state !== 'training' || evaluation <= this.#last || part < pointOf(evaluation)) return;
    this.#last = evaluation;
    for (let killed = 0; killed < Math.max(1, Math.floor(this.#workers.length / 3)); killed++) {
      const target = this.#next();
      if (target === null) return;
      const atWork = this.#workers.length - this.#absent.size;
      this.#absent.add(target);
      this.#onNote(
        `evaluation ${evaluation}, ${Math.round(100 * part)} % done: kill ${target.name}, ${atWork} at work`,
      );
      const began = performance.now();
      this.#kills.push(
        target.suffer('kill', ABSENCE_MS, signal).then(() => {
          this.#absent.delete(target);
          return { evaluation, part, target: target.name, atWork, readyMs: performance.now() - began };
        }),
      );
    }
  }

  ended(): Promise<EveryBatchOutcome['kills']> {
    return Promise.all(this.#kills);
  }

  /** The next one whose turn it is and that is there; null when nobody is. */
  #next(): ChaosMember | null {
    for (let tried = 0; tried < this.#workers.length; tried++) {
      const worker = this.#workers[this.#turn++ % this.#workers.length] as ChaosMember;
      if (!this.#absent.has(worker)) return worker;
    }
    return null;
  }
}

/** Another part of each: multiples of the golden ratio are spread evenly. */
const pointOf = (evaluation: number): number => 0.02 + 0.7 * ((evaluation * 0.618) % 1);

/** What is wrong; empty when nothing but the time has changed. */
export const changedByKills = ({ undisturbed, disturbed, kills, deaths }: EveryBatchOutcome): string[] => {
  const broken = [...deaths];
  const [calm, stormy] = [undisturbed, disturbed].map(({ name, state, reason, ledger, result }) => {
    if (state !== 'succeeded') broken.push(`${name}: ${state}, ${reason}`);
    for (const { shard, applied, expected, badDropped } of ledger)
      if (applied !== expected || badDropped !== 0) broken.push(`${name}, shard ${shard}: ${applied} of ${expected}`);
    return { loss: result?.loss, accuracy: result?.accuracy, pushes: ledger.map(({ expected }) => expected) };
  });
  if (!isDeepStrictEqual(calm, stormy)) broken.push(`${JSON.stringify(stormy)}, undisturbed ${JSON.stringify(calm)}`);
  const evaluations = evaluationsOf(disturbed);
  const hit = new Set(kills.map(({ evaluation }) => evaluation));
  if (evaluations === 0 || hit.size < evaluations)
    broken.push(`workers were killed in ${hit.size} of ${evaluations} evaluations: they were too short`);
  return broken;
};

/** A Markdown table. */
export const everyBatchTable = ({ undisturbed, disturbed, kills }: EveryBatchOutcome): string => {
  const row = (name: string, job: JobRecord, killed: number): string[] => [
    name,
    String(evaluationsOf(job)),
    String(killed),
    String(job.result?.loss),
    String(job.result?.accuracy),
    seconds(job),
    String(job.ledger.reduce((sum, { duplicatesDropped }) => sum + duplicatesDropped, 0)),
  ];
  const head = ['', 'evaluations', 'workers killed', 'loss', 'accuracy', 'training, s', 'doubles dropped'];
  const rows = [row('in peace', undisturbed, 0), row('a third killed in each', disturbed, kills.length)];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
};

/** Each is a push of every portion. */
const evaluationsOf = ({ ledger, spec }: JobRecord): number =>
  (ledger[0]?.expected ?? 0) / Math.ceil(EXAMPLES / spec.chunkSize!);

const seconds = ({ result }: JobRecord): string => ((result?.trainingMs ?? 0) / 1000).toFixed(1);
