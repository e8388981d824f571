import { parseArgs } from 'node:util';
import { UsageError } from '../options.ts';

const DEFAULT_NATS = 'nats://127.0.0.1:4222';

export interface ReplayOptions {
  /** Job ids, or files. The second is what the first is compared with. */
  source: string;
  against: string | null;
  version: number;
  againstVersion: number;
  shard: number | null;
  nats: string;
  exportTo: string | null;
  out: string | null;
  json: boolean;
}

export function replayHelp(): string {
  return [
    'downpour replay SOURCE [AGAINST] [options]',
    '',
    'Rebuilds the parameters of a job from its recorded push log, at any version, and shows how two replays differ.',
    'SOURCE and AGAINST: a job that was submitted with keepLog, by its id, or a file that --export has written.',
    '',
    "  --version N            go to this version of each shard (default: the log's end)",
    '  --against-version N    version of AGAINST, or of SOURCE itself where there is no AGAINST (default: as --version)',
    '  --shard N              only this shard',
    '  --export FILE          write the log of SOURCE to a file',
    '  --out FILE             write the parameters to a safetensors file',
    `  --nats URL             where the jobs are (default: NATS_URL, or ${DEFAULT_NATS})`,
    '  --json                 print JSON',
    '  --help                 print this',
    '',
    'Exit code: 0 the same bits, or nothing to compare; 3 they differ; 1 it failed; 64 wrong usage.',
    '',
    'Examples',
    '  downpour replay job-k3x90a1bzq --version 100',
    '  downpour replay job-k3x90a1bzq --version 100 --against-version 101',
    '  downpour replay job-k3x90a1bzq job-9f2b81c0aa',
    '  downpour replay job-k3x90a1bzq --export run.dplog',
  ].join('\n');
}

/** @throws UsageError naming what is wrong */
export function parseReplayOptions(argv: string[]): ReplayOptions | 'help' {
  const { values, positionals } = parse(argv);
  if (values.help === true) return 'help';
  const [source, against, ...more] = positionals;
  if (source === undefined || more.length > 0)
    throw new UsageError(`give one or two logs to replay, not ${positionals.length}\n\n${replayHelp()}`);
  const version = whole('version', values.version) ?? Infinity;
  return {
    source,
    against: against ?? null,
    version,
    againstVersion: whole('against-version', values['against-version']) ?? version,
    shard: whole('shard', values.shard),
    nats: values.nats ?? process.env['NATS_URL'] ?? DEFAULT_NATS,
    exportTo: values.export ?? null,
    out: values.out ?? null,
    json: values.json === true,
  };
}

function parse(argv: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        version: text,
        'against-version': text,
        shard: text,
        nats: text,
        export: text,
        out: text,
        json: flag,
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${replayHelp()}`, { cause: error });
  }
}

function whole(name: string, given: string | undefined): number | null {
  if (given === undefined) return null;
  const value = Number(given);
  if (given.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new UsageError(`--${name} ${given}: give a whole number from 0`);
  return value;
}
