import { parseArgs } from 'node:util';
import type { JobSpecInput } from '@downpour/contracts';
import type { ChaosOptions } from './chaos-run.ts';
import type { Way } from './ways.ts';
import { chaosSpec, WAY_NAMES, wayNamed, WAYS } from './ways.ts';

const OPTIONS = [
  ['strategy', 'async', `${WAY_NAMES.join(', ')}; or all, one after the other`],
  ['seed', '1', 'which faults come, when, and for how long'],
  ['minutes', '10', 'how long faults come, for each strategy; the job at work then is finished in peace'],
  ['kills', '6', 'kills a minute'],
  ['others', '3', 'freezes, partitions, cuts and delays a minute'],
  ['longest', '60', 'seconds that a freeze, partition or delay may last'],
  ['epochs', '8', 'of each job'],
  ['model', 'mlp', 'zoo model'],
  ['workers', '2', 'worker processes'],
  ['shards', '3', 'parameter-shard processes'],
  ['sharders', '2', 'data-sharder processes'],
  ['gateways', '2', 'gateway processes'],
  ['logs', '.downpour/chaos', "folder for the processes' logs"],
] as const;

/** `ways`: each with a cluster of its own. */
export interface ParsedOptions extends Omit<ChaosOptions, 'onNote' | 'spec'> {
  ways: (Way & { spec: JobSpecInput })[];
  /** Instead of all this. */
  everyBatch: boolean;
}

export const help = (): string =>
  [
    'npm run chaos [-- options]',
    '',
    'Trains MNIST on a whole local cluster while its processes, NATS too, are killed, frozen and cut off at random; then checks that nothing was lost or counted',
    'twice, and that the model is as good as without (sandblaster: the same, to the bit).',
    '',
    ...OPTIONS.map(([name, byDefault, text]) => `  ${`--${name} X`.padEnd(14)} ${text} (default: ${byDefault})`),
    `  ${'--every-batch'.padEnd(14)} sandblaster alone, without a seed: in every batch a third of the workers is killed, and nothing may change but the time`,
  ].join('\n');

/** Wrong words on the command line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export const parseOptions = (argv: string[]): ParsedOptions | 'help' => {
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({
      args: argv,
      options: {
        ...Object.fromEntries(OPTIONS.map(([name]) => [name, { type: 'string' as const }])),
        'every-batch': { type: 'boolean' as const },
        help: { type: 'boolean' as const },
      },
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help()}`, { cause: error });
  }
  if (values['help']) return 'help';
  const text = (name: (typeof OPTIONS)[number][0]): string =>
    (values[name] as string | undefined) ?? OPTIONS.find(([known]) => known === name)![1];
  const number = (name: (typeof OPTIONS)[number][0], min: number, whole = false): number => {
    const value = Number(text(name));
    if (Number.isNaN(value) || value < min || (whole && !Number.isInteger(value)))
      throw new UsageError(`--${name} ${text(name)}: give a ${whole ? 'whole ' : ''}number from ${min}`);
    return value;
  };
  const everyBatch = values['every-batch'] === true;
  const asked = everyBatch ? 'sandblaster' : text('strategy');
  const ways = asked === 'all' ? WAYS : [wayNamed(asked)].filter((way) => way !== undefined);
  if (ways.length === 0) throw new UsageError(`--strategy ${asked}: give one of ${WAY_NAMES.join(', ')}, or all`);
  const model = { zoo: text('model') } as JobSpecInput['model'];
  const epochs = number('epochs', 1, true);
  const shards = number('shards', 1, true);
  return {
    seed: number('seed', 0, true),
    durationMs: number('minutes', 0.1) * 60_000,
    killsPerMinute: number('kills', 0),
    othersPerMinute: number('others', 0),
    longestMs: number('longest', 1) * 1000,
    workers: number('workers', 1, true),
    shards,
    sharders: number('sharders', 1, true),
    gateways: number('gateways', 1, true),
    ways: ways.map((way) => ({ ...way, spec: chaosSpec(model, epochs, shards, way) })),
    everyBatch,
    logFolder: text('logs'),
  };
};
