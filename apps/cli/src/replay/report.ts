import type { VariableDifference } from '@downpour/parameters';
import type { Comparison, ReplayedShard, ReplayedVector } from './replay.command.ts';

/** Digits that float32 values need to be told apart. */
const DIGITS = 9;

export function printReplay({ name, shards }: ReplayedVector, json: boolean): void {
  if (json) return console.log(JSON.stringify({ log: name, shards }, null, 2));
  console.log(`${name}\n${table(shards)}`);
}

export function printComparison(a: ReplayedVector, b: ReplayedVector, comparison: Comparison, json: boolean): void {
  const { same, first, variables } = comparison;
  if (json) {
    const logs = [a, b].map(({ name, shards }) => ({ log: name, shards }));
    return console.log(JSON.stringify({ same, first, variables, logs }, null, 2));
  }
  console.log(`a  ${a.name}\n${table(a.shards)}\nb  ${b.name}\n${table(b.shards)}\n`);
  if (same && (first === null || first.length === 0)) return console.log('The same bits.');
  for (const { shard, version, a: ours, b: theirs } of first ?? []) {
    const push = (header: typeof ours): string =>
      header === null
        ? 'before its first push'
        : `epoch ${header.epoch}, chunk ${header.chunk}, push ${header.push} of ${header.worker}`;
    console.log(`shard ${shard} differs from version ${version} on\n  a  ${push(ours)}\n  b  ${push(theirs)}`);
  }
  if (same) return console.log('At these versions: the same bits.');
  console.log(differences(variables));
}

function table(shards: readonly ReplayedShard[]): string {
  return shards
    .map(({ shard, version, records, duplicates, refused, parameters, last }) => {
      const dropped = [duplicates > 0 ? `${duplicates} doubles` : '', refused > 0 ? `${refused} refused` : ''];
      const counts = [`${records} records`, ...dropped.filter(Boolean)].join(', ');
      const made =
        last === null ? '' : `  by epoch ${last.epoch}, chunk ${last.chunk}, push ${last.push} of ${last.worker}`;
      return `   shard ${shard}  version ${version}  sha256 ${parameters.slice(0, 16)}  (${counts})${made}`;
    })
    .join('\n');
}

function differences(variables: readonly VariableDifference[]): string {
  const width = Math.max(8, ...variables.map(({ name }) => name.length));
  const head = `${'variable'.padEnd(width)}  ${'differing'.padStart(20)}  ${'max abs'.padStart(12)}  ${'max relative'.padStart(12)}  first`;
  const rows = variables.map(({ name, differing, values, maxAbs, maxRelative, first }) => {
    const where =
      first === null ? '' : `[${first.index}] ${first.a.toPrecision(DIGITS)} | ${first.b.toPrecision(DIGITS)}`;
    const share = `${differing} of ${values}`;
    return `${name.padEnd(width)}  ${share.padStart(20)}  ${number(maxAbs)}  ${number(maxRelative)}  ${where}`.trimEnd();
  });
  return [head, ...rows].join('\n');
}

const number = (value: number): string => (value === 0 ? '0' : value.toExponential(3)).padStart(12);
