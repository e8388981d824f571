import type { BenchOptions } from './options.ts';
import { Cluster } from './harness/cluster.ts';
import { PythonPeer } from './harness/python-peer.ts';
import { TensorFlowChild, type Computed } from './harness/tensorflow-child.ts';
import { measureTraining, type TrainingWindow } from './harness/training-window.ts';
import { endlessJob, nameOf, type Configuration, type WorkloadName } from './workloads.ts';

export interface Measured {
  workload: WorkloadName;
  /** By repetition. */
  configurations: { configuration: Configuration; windows: TrainingWindow[] }[];
  /** tfjs-node's model.fit in one process. */
  fit: Computed[];
  /** Two processes at once, each running the bare compiled step: both together. */
  bare: Computed[];
  /** Other distributed systems, when they are asked for (`--peers`). */
  peers: { name: string; windows: Computed[] }[];
}

/** Programs of bench/peers: TensorFlow's own ways to train on two workers. */
const PEERS = [
  { name: 'TF ParameterServerStrategy', program: 'parameter_server' },
  { name: 'TF MultiWorkerMirrored, sync', program: 'mirrored' },
] as const;

export const WORKERS = 2;
export const SHARDS = 2;

/**
 * Two workers, two shards, NATS: every workload in every encoding, and beside each repetition its baselines, so that all are of the same
 * minute. Measured once in a run: benches 2 and 3 look at the same jobs.
 */
export class WholeSystem {
  readonly #options: BenchOptions;
  readonly #signal: AbortSignal;
  readonly #progress: (what: string) => void;
  #measured: Promise<Measured[]> | null = null;

  constructor(options: BenchOptions, signal: AbortSignal, progress: (what: string) => void) {
    this.#options = options;
    this.#signal = signal;
    this.#progress = progress;
  }

  measured(): Promise<Measured[]> {
    return (this.#measured ??= this.#measure());
  }

  async #measure(): Promise<Measured[]> {
    const { workloads, repetitions, quick, peers } = this.#options;
    this.#progress('starting 2 workers, 2 shards, NATS and the baselines');
    const [cluster, one, other] = await Promise.all([
      Cluster.start({ workers: WORKERS, shards: SHARDS }),
      TensorFlowChild.start(1),
      TensorFlowChild.start(1),
    ]);
    const all = workloads.map((workload): Measured => {
      const configurations = configurationsOf(workload, this.#options).map((configuration) => ({
        configuration,
        windows: [] as TrainingWindow[],
      }));
      return { workload, configurations, fit: [], bare: [], peers: [] };
    });
    try {
      // A quick run takes its repetitions from one job, a full one starts a job for each.
      for (let repetition = 0; repetition < repetitions; repetition++) {
        // Their processes are there for their turn only: idle ones of TensorFlow's take CPU from the others.
        for (const { name, program } of peers ? PEERS : []) await this.#peer(all, name, program, repetition);
        for (const measured of all) {
          await this.#baselines(measured, one, other, `${repetition + 1} of ${repetitions}`);
          if (quick && repetition > 0) continue;
          for (const entry of measured.configurations)
            entry.windows.push(...(await this.#job(cluster, measured.workload, entry.configuration, repetition)));
        }
      }
    } finally {
      await Promise.all([cluster.stop(), one.stop(), other.stop()]);
    }
    return all;
  }

  async #baselines({ workload, fit, bare }: Measured, one: TensorFlowChild, other: TensorFlowChild, which: string) {
    const { windowMs, quick } = this.#options;
    this.#signal.throwIfAborted();
    this.#progress(`${workload}: tfjs-node model.fit, ${which}`);
    fit.push(await one.fit(workload, quick ? windowMs / 2 : windowMs));
    this.#signal.throwIfAborted();
    this.#progress(`${workload}: two bare compiled steps at once, ${which}`);
    const both = await Promise.all([one, other].map((child) => child.compiled(workload, windowMs)));
    bare.push({
      examples: both.reduce((sum, { examples }) => sum + examples, 0),
      seconds: Math.max(...both.map(({ seconds }) => seconds)),
      cpuSeconds: both.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    });
  }

  async #peer(all: Measured[], name: string, program: (typeof PEERS)[number]['program'], repetition: number) {
    this.#signal.throwIfAborted();
    this.#progress(`starting ${name}`);
    const peer = await PythonPeer.start(program);
    try {
      for (const { workload, peers } of all) {
        this.#signal.throwIfAborted();
        this.#progress(`${workload}: ${name}, ${repetition + 1} of ${this.#options.repetitions}`);
        const entry = peers.find((one) => one.name === name);
        const window = await peer.measure('train', workload, this.#options.windowMs);
        if (entry) entry.windows.push(window);
        else peers.push({ name, windows: [window] });
      }
    } finally {
      await peer.stop();
    }
  }

  #job(cluster: Cluster, workload: WorkloadName, configuration: Configuration, repetition: number) {
    const { windowMs, quick, repetitions } = this.#options;
    const which = quick ? '' : `, ${repetition + 1} of ${repetitions}`;
    this.#progress(`${workload}: job in ${nameOf(configuration)}${which}`);
    return measureTraining(cluster, endlessJob(workload, { ...configuration, shards: SHARDS }), {
      warmUpMs: quick ? 700 : 2000,
      windowMs,
      windows: quick ? repetitions : 1,
      signal: this.#signal,
    });
  }
}

/**
 * Without a log, as the systems that it is compared with, in every encoding, each step pushed and pulled; beside it what a job is by default. The small
 * model also at n = 4, where the wire is paid once in four steps.
 */
function configurationsOf(workload: WorkloadName, { encodings }: BenchOptions): Configuration[] {
  const everyStep = encodings.map((encoding): Configuration => ({ encoding, n: 1, log: 'none' }));
  const byDefault: Configuration = { encoding: 'float32', n: 1, log: 'file' };
  if (workload !== 'mlp-small') return [byDefault, ...everyStep];
  const ends = encodings.length > 1 ? [encodings[0]!, encodings.at(-1)!] : encodings;
  return [byDefault, ...everyStep, ...ends.map((encoding): Configuration => ({ encoding, n: 4, log: 'none' }))];
}
