import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { NatsLink } from '@downpour/nats';
import { connectNats } from '@downpour/nats';
import type { FirstDifference, ReplaySource, VariableDifference } from '@downpour/parameters';
import {
  checkpointHeader,
  compareVectors,
  firstDifference,
  openLogFile,
  Replay,
  scatterRanges,
  writeLogFile,
} from '@downpour/parameters';
import type { ReplayOptions } from './options.ts';
import { recordedLog } from './recorded-log.ts';
import { printComparison, printReplay } from './report.ts';

export const DIFFERENT = 3;

/** One shard of a replay, as it is shown. */
export interface ReplayedShard {
  shard: number;
  version: number;
  records: number;
  duplicates: number;
  refused: number;
  /** SHA-256 of the parameters, and of what the update rule remembers. */
  parameters: string;
  slots: string[];
  last: { epoch: number; chunk: number; push: number; worker: string } | null;
}

export interface ReplayedVector {
  name: string;
  vector: Float32Array;
  shards: ReplayedShard[];
}

export interface Comparison {
  same: boolean;
  /** By shard, where both are cut alike and begin alike; null where no version can be named. */
  first: FirstDifference[] | null;
  variables: VariableDifference[];
}

/** Returns the exit code. */
export async function replay(options: ReplayOptions): Promise<number> {
  const links = new Links(options.nats);
  try {
    const source = await sourceOf(options.source, links);
    if (options.exportTo !== null) {
      const { pushes, bytes } = await writeLogFile(source, options.exportTo);
      console.error(`Wrote ${pushes} pushes, ${bytes} bytes, to ${options.exportTo}`);
    }
    const a = await replayed(source, options, options.version);
    if (options.out !== null) await writeParameters(source, a, options.out);
    if (options.against === null && options.againstVersion === options.version) {
      printReplay(a, options.json);
      return 0;
    }
    const other = options.against === null ? source : await sourceOf(options.against, links);
    const b = await replayed(other, options, options.againstVersion);
    const comparison = await compare(source, a, other, b, options);
    printComparison(a, b, comparison, options.json);
    return comparison.same ? 0 : DIFFERENT;
  } finally {
    await links.close();
  }
}

/** Connects when it is first needed: files need no NATS. */
class Links {
  readonly #url: string;
  #link: NatsLink | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  async get(): Promise<NatsLink> {
    return (this.#link ??= await connectNats({ servers: this.#url }));
  }

  async close(): Promise<void> {
    await this.#link?.close();
  }
}

async function sourceOf(name: string, links: Links): Promise<ReplaySource> {
  return existsSync(name) ? openLogFile(name) : recordedLog(await links.get(), name);
}

function shardsOf({ plan, name }: ReplaySource, wanted: number | null): number[] {
  const all = plan.shards.map(({ shard }) => shard);
  if (wanted === null) return all;
  if (!all.includes(wanted)) throw new Error(`${name} has shards 0 to ${all.length - 1}, no shard ${wanted}`);
  return [wanted];
}

async function replayed(source: ReplaySource, options: ReplayOptions, version: number): Promise<ReplayedVector> {
  const { layout } = source.plan;
  const vector = new Float32Array(layout.length);
  const shards: ReplayedShard[] = [];
  for (const shard of shardsOf(source, options.shard)) {
    const fold = await Replay.begin(source, shard);
    await fold.to(version);
    const { parameters, slots, ledger } = fold.shard.capture();
    scatterRanges(parameters, fold.shard.identity.ranges, vector);
    const { last } = fold;
    shards.push({
      shard,
      version: fold.shard.version,
      records: fold.records,
      duplicates: ledger.duplicatesDropped,
      refused: fold.shard.refused,
      parameters: digestOf(parameters),
      slots: slots.map(digestOf),
      last: last && { epoch: last.epoch, chunk: last.chunk, push: last.push, worker: last.worker },
    });
    await fold.close();
  }
  return { name: source.name, vector, shards };
}

async function compare(
  source: ReplaySource,
  a: ReplayedVector,
  other: ReplaySource,
  b: ReplayedVector,
  options: ReplayOptions,
): Promise<Comparison> {
  const { layout, shards } = source.plan;
  const shape = (one: ReplaySource) => JSON.stringify(one.plan.layout);
  if (shape(source) !== shape(other)) throw new Error(`${a.name} and ${b.name} are not of the same model`);
  const shown = shards.filter(({ shard }) => options.shard === null || shard === options.shard);
  const variables = compareVectors(
    layout,
    a.vector,
    b.vector,
    shown.flatMap(({ ranges }) => ranges),
  );
  const cutAlike =
    JSON.stringify(shards.map(({ ranges }) => ranges)) ===
    JSON.stringify(other.plan.shards.map(({ ranges }) => ranges));
  const sameVersion = options.version === options.againstVersion && options.against !== null;
  if (options.shard !== null && !cutAlike)
    throw new Error(`${a.name} and ${b.name} are not cut into the same shards: leave out --shard`);
  let first: FirstDifference[] | null = null;
  if (cutAlike && sameVersion) {
    const found = [];
    for (const { shard } of shown) found.push(await firstDifference(source, other, shard, options.version));
    first = found.filter((difference) => difference !== null);
  }
  return { same: variables.every(({ differing }) => differing === 0), first, variables };
}

async function writeParameters(source: ReplaySource, { vector, shards }: ReplayedVector, file: string): Promise<void> {
  const versions = shards.map(({ shard, version }) => `${shard}: ${version}`).join(', ');
  const metadata = { producer: 'downpour replay', log: source.name, versions };
  const { bytes } = checkpointHeader(source.plan.layout, [], metadata);
  await writeFile(file, [bytes, new Uint8Array(vector.buffer)]);
}

const digestOf = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex');
