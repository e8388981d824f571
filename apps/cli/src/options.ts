import { parseArgs } from 'node:util';
import { describeIssues, jobSpecSchema, type JobSpecInput } from '@downpour/contracts';

/** What `npm start -- ...` can set: name, placeholder, default as shown, meaning. The parser and the help are made from it. */
const OPTIONS = [
  ['workers', 'N', '2', 'worker processes: each computes gradients on chunks of data; 0 where they run elsewhere'],
  ['shards', 'N', '2', 'parameter-shard processes: together they hold the model'],
  ['model', 'NAME', 'mnist-cnn', 'zoo model: logistic, mlp, lenet5, mnist-cnn'],
  ['dropout', 'X', '0.4 for mnist-cnn', 'mlp and mnist-cnn: share of activations dropped before the last layer'],
  ['dataset', 'NAME', 'mnist', 'mnist, fashion-mnist, or the id of a data set uploaded earlier'],
  ['epochs', 'N', '8', 'passes over the training data'],
  ['batch-size', 'N', '64', 'examples of one step'],
  ['learning-rate', 'X', "the rule's", 'learning rate of the update rule'],
  ['update-rule', 'NAME', 'adam', 'sgd, momentum, adagrad, rmsprop, adam'],
  ['seed', 'N', '1', 'seeds initial parameters and shuffling'],
  ['stop-at', 'X', 'never', 'stop once test accuracy reaches X (0.99)'],
  ['spec', 'FILE', 'none', 'a job spec as JSON instead of the options above (POST /v1/jobs, see /docs)'],
  ['port', 'N', '8080', 'port of the HTTP API on 127.0.0.1; 0 takes a free one'],
  ['threads', 'N', '1', 'TensorFlow threads of each worker'],
  ['max-payload', 'BYTES', '8388608', "NATS server's max_payload"],
  ['home', 'DIR', '.downpour', 'where NATS keeps its data, logs and trained models go'],
] as const;

/** Enough for the CNN with dropout to stay above 99 % on MNIST. */
const DEFAULT_EPOCHS = 8;

const FLAGS = [
  ['keep-serving', 'go on serving the HTTP API after training, until Ctrl-C'],
  ['serve-only', 'start the system without a job and serve until Ctrl-C'],
  ['help', 'print this'],
] as const;

type OptionName = (typeof OPTIONS)[number][0];

export interface StartOptions {
  workers: number;
  shards: number;
  port: number;
  threads: number;
  maxPayloadBytes: number;
  home: string;
  keepServing: boolean;
  /** null: serve only. A string: a file with the spec. */
  job: { spec: JobSpecInput } | { specFile: string } | null;
}

/** Wrong words on the command line; the message says what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function help(): string {
  const rows = [
    ...OPTIONS.map(([name, placeholder, byDefault, text]) => [
      `--${name} ${placeholder}`,
      `${text} (default: ${byDefault})`,
    ]),
    ...FLAGS.map(([name, text]) => [`--${name}`, text]),
  ];
  return [
    'npm start [-- options]',
    '',
    'Starts a whole Downpour on this machine (nats-server, gateway, data sharder, parameter shards, workers), trains a model and shows the result.',
    '',
    ...rows.map(([left = '', right = '']) => `  ${left.padEnd(22)} ${right}`),
    '',
    'Examples',
    '  npm start -- --model lenet5 --dataset fashion-mnist --epochs 10',
    '  npm start -- --workers 4 --shards 3 --keep-serving',
  ].join('\n');
}

/** @throws UsageError naming the option that is wrong */
export function parseStartOptions(argv: string[]): StartOptions | 'help' {
  const values = parse(argv);
  if (values['help']) return 'help';
  const text = (name: OptionName) => values[name] as string | undefined;
  const whole = (name: OptionName, byDefault: number, min: number, max: number) => {
    const given = text(name);
    if (given === undefined) return byDefault;
    const value = Number(given);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new UsageError(`--${name} ${given}: give a whole number from ${min} to ${max}`);
    }
    return value;
  };
  const shards = whole('shards', 2, 1, 64);
  const specFile = text('spec');
  return {
    workers: whole('workers', 2, 0, 64),
    shards,
    port: whole('port', 8080, 0, 65_535),
    threads: whole('threads', 1, 1, 256),
    maxPayloadBytes: whole('max-payload', 8 * 1024 * 1024, 65_536, 64 * 1024 * 1024),
    home: text('home') ?? '.downpour',
    keepServing: values['keep-serving'] === true || values['serve-only'] === true,
    job: values['serve-only'] ? null : specFile !== undefined ? { specFile } : { spec: jobSpec(text, shards) },
  };
}

function parse(argv: string[]): Record<string, string | boolean | undefined> {
  try {
    return parseArgs({
      args: argv,
      options: Object.fromEntries([
        ...OPTIONS.map(([name]) => [name, { type: 'string' as const }]),
        ...FLAGS.map(([name]) => [name, { type: 'boolean' as const }]),
      ]),
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help()}`, { cause: error });
  }
}

function jobSpec(text: (name: OptionName) => string | undefined, shards: number): JobSpecInput {
  const number = (name: OptionName) => {
    const given = text(name);
    if (given === undefined) return undefined;
    if (given.trim() === '' || Number.isNaN(Number(given))) throw new UsageError(`--${name} ${given}: give a number`);
    return Number(given);
  };
  const learningRate = number('learning-rate');
  const rule = text('update-rule');
  const stopAt = number('stop-at');
  const model = text('model') ?? 'mnist-cnn';
  const spec = {
    name: 'npm start',
    model: { zoo: model, dropout: number('dropout') ?? (model === 'mnist-cnn' ? 0.4 : undefined) },
    dataset: text('dataset') ?? 'mnist',
    shards,
    epochs: number('epochs') ?? DEFAULT_EPOCHS,
    batchSize: number('batch-size'),
    seed: number('seed'),
    updateRule: rule === undefined && learningRate === undefined ? undefined : { kind: rule ?? 'adam', learningRate },
    stopAt: stopAt === undefined ? undefined : { metric: 'accuracy', value: stopAt },
  };
  const checked = jobSpecSchema.safeParse(spec);
  if (!checked.success) {
    const issues = describeIssues(checked.error).map(({ field, message }) => `\n  ${field}: ${message}`);
    throw new UsageError(`the job is not valid:${issues.join('')}\nnpm start -- --help lists what can be set`);
  }
  return checked.data;
}
