import { parseArgs } from 'node:util';
import { DEFAULT_WORKLOADS, ENCODINGS, WORKLOAD_NAMES, type WorkloadName } from './workloads.ts';

export interface BenchOptions {
  quick: boolean;
  /** Benches asked for by name; null: all that are part of the default run. */
  only: string[] | null;
  /** Compare with Python's TensorFlow as well. */
  peers: boolean;
  workloads: WorkloadName[];
  encodings: string[];
  repetitions: number;
  windowMs: number;
  /** Steps of the soak. */
  steps: number;
  results: string;
}

export const HELP = `npm run bench [-- options]

Measures Downpour against baselines of the same run; writes a table, JSON and plots to bench/results/.

  --quick              three short repetitions instead of five: about two minutes
  --only LIST          benches by number or name, separated by commas: 1,3,5 or soak
  --peers              also Python's TensorFlow (installs it into .native/peers at the first time)
  --workloads LIST     of ${WORKLOAD_NAMES.join(', ')} (default: ${DEFAULT_WORKLOADS.join(', ')})
  --encodings LIST     of ${Object.keys(ENCODINGS).join(', ')} (default: all; with --quick int8)
  --repetitions N      default 5, with --quick 3
  --window-ms N        length of one measurement, default 4000, with --quick 500
  --steps N            steps of the soak, default 100000
  --results DIR        default bench/results
  --help               print this`;

/** @throws Error naming the option that is wrong */
export function parseOptions(argv: string[], resultsByDefault: string): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'boolean', default: false },
      workloads: { type: 'string' },
      encodings: { type: 'string' },
      repetitions: { type: 'string' },
      'window-ms': { type: 'string' },
      steps: { type: 'string' },
      results: { type: 'string', default: resultsByDefault },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const list = <T extends string>(name: 'workloads' | 'encodings', known: readonly T[], byDefault: readonly T[]) => {
    const words = values[name]?.split(',') ?? byDefault;
    const wrong = words.find((word) => !known.includes(word as T));
    if (wrong !== undefined) throw new Error(`--${name} ${wrong}: use ${known.join(', ')}`);
    return [...words] as T[];
  };
  const whole = (name: 'repetitions' | 'window-ms' | 'steps', byDefault: number) => {
    const value = values[name] === undefined ? byDefault : Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${values[name]}: give a whole number from 1`);
    return value;
  };
  const encodings = Object.keys(ENCODINGS);
  return {
    quick: values.quick,
    only: values.only?.split(',') ?? null,
    peers: values.peers,
    workloads: list('workloads', WORKLOAD_NAMES, DEFAULT_WORKLOADS),
    encodings: list('encodings', encodings, values.quick ? ['int8'] : encodings),
    repetitions: whole('repetitions', values.quick ? 3 : 5),
    windowMs: whole('window-ms', values.quick ? 500 : 4000),
    steps: whole('steps', 100_000),
    results: values.results,
  };
}
