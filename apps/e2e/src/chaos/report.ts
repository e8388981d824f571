import type { JobRecord } from '@downpour/contracts';
import type { ChaosOutcome, SufferedFault } from './chaos-run.ts';
import type { Way } from './ways.ts';

/** What users are promised: issue 5 of the tracker, 0.3 points. */
const ACCURACY_MARGIN = 0.003;

/** What is wrong with the outcome; empty when the promise was kept. */
export const brokenPromises = (
  { undisturbed, disturbed, deaths }: ChaosOutcome,
  examplesPerEpoch: number,
  { late, same }: Pick<Way, 'late' | 'same'> = { late: false, same: false },
): string[] => {
  const broken = [...deaths];
  if (disturbed.length === 0) broken.push('no job was disturbed');
  for (const job of [undisturbed, ...disturbed]) {
    const { name, state, reason, ledger, result, spec } = job;
    if (state !== 'succeeded') broken.push(`${name}: ${state}, ${reason}`);
    if (ledger.length === 0) broken.push(`${name}: it has no ledger`);
    for (const { shard, applied, expected, lateDropped, badDropped, examplesApplied } of ledger) {
      // Sandblaster may converge before its last evaluation; each is a push for each portion.
      const epochs = same ? expected / Math.ceil(examplesPerEpoch / spec.chunkSize!) : spec.epochs;
      const examples = epochs * examplesPerEpoch;
      if (applied !== expected || badDropped !== 0 || (lateDropped !== 0 && !late) || examplesApplied !== examples)
        broken.push(
          `${name}, shard ${shard}: ${applied} of ${expected} pushes, ${examplesApplied} of ${examples} examples, ${lateDropped} late, ${badDropped} bad`,
        );
    }
    const [accuracy, reference] = [result?.accuracy ?? 0, undisturbed.result?.accuracy ?? 1];
    if (accuracy < reference - ACCURACY_MARGIN)
      broken.push(`${name}: accuracy ${accuracy} is more than 0.3 points below ${reference}`);
    if (same && (accuracy !== reference || result?.loss !== undisturbed.result?.loss))
      broken.push(
        `${name}: loss ${result?.loss}, accuracy ${accuracy}; undisturbed ${undisturbed.result?.loss}, ${reference}`,
      );
    if (same && ledger.some(({ expected }) => expected !== undisturbed.ledger[0]?.expected))
      broken.push(`${name}: other evaluations than undisturbed`);
  }
  return broken;
};

/** A Markdown table: each kind of fault at each kind of process. */
export const faultTable = (faults: readonly SufferedFault[]): string => {
  const groups = new Map<string, SufferedFault[]>();
  for (const fault of faults) {
    const key = `${fault.kind}|${fault.role}`;
    groups.set(key, [...(groups.get(key) ?? []), fault]);
  }
  const rows = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, group]) => {
      const [kind = '', role = ''] = key.split('|');
      const lasted = kind === 'kill' ? '' : seconds(median(group.map(({ lengthMs }) => lengthMs)));
      return [kind, role, String(group.length), lasted, ...spread(group, 'movedOnMs'), ...spread(group, 'readyMs')];
    });
  const kills = faults.filter(({ kind }) => kind === 'kill');
  rows.push(['all kills', '', String(kills.length), '', ...spread(kills, 'movedOnMs'), ...spread(kills, 'readyMs')]);
  const head = [
    'fault',
    'of',
    'count',
    'lasted, median',
    'job moved on, median',
    'worst',
    'replacement ready, median',
    'worst',
  ];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
};

/** A Markdown table: what became of each job. */
export const jobTable = (jobs: readonly JobRecord[]): string => {
  const rows = jobs.map((job) => [
    job.name,
    job.state,
    job.result?.accuracy == null ? '' : `${(100 * job.result.accuracy).toFixed(2)} %`,
    seconds(job.result?.trainingMs ?? null),
    String(sum(job, 'expected')),
    String(sum(job, 'applied')),
    String(sum(job, 'expected') - sum(job, 'applied')),
    String(sum(job, 'duplicatesDropped')),
    String(sum(job, 'lateDropped')),
  ]);
  const head = [
    'job',
    'state',
    'accuracy',
    'training',
    'expected',
    'applied',
    'lost',
    'doubles dropped',
    'late, trained again',
  ];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
};

/** A Markdown table: a line for each strategy. */
export const wayTable = (
  ended: readonly { way: string; outcome: ChaosOutcome; broken: readonly string[] }[],
): string => {
  const percent = (job: JobRecord): string => `${(100 * (job.result?.accuracy ?? 0)).toFixed(2)} %`;
  const rows = ended.map(({ way, outcome: { undisturbed, disturbed, faults }, broken }) => {
    const all = (field: Count): number => disturbed.reduce((total, job) => total + sum(job, field), 0);
    const kills = faults.filter(({ kind }) => kind === 'kill');
    const worst = Math.max(0, ...faults.map(({ movedOnMs }) => movedOnMs ?? 0));
    return [
      way,
      `${kills.length} + ${faults.length - kills.length}`,
      String(disturbed.length),
      `${all('applied')} of ${all('expected')}`,
      String(all('lateDropped')),
      String(all('duplicatesDropped')),
      percent(undisturbed),
      disturbed.map(percent).join(', '),
      seconds(worst),
      broken.length === 0 ? 'yes' : '**no**',
    ];
  });
  const head = [
    'strategy',
    'kills + others',
    'jobs',
    'pushes applied',
    'late, trained again',
    'doubles dropped',
    'accuracy in peace',
    'disturbed',
    'longest stop',
    'exact',
  ];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
};

type Count = 'expected' | 'applied' | 'duplicatesDropped' | 'lateDropped';

const sum = (job: JobRecord, field: Count): number => job.ledger.reduce((total, ledger) => total + ledger[field], 0);

const spread = (faults: readonly SufferedFault[], field: 'movedOnMs' | 'readyMs'): [string, string] => {
  const values = faults.map((fault) => fault[field]).filter((value) => value !== null);
  return values.length === 0 ? ['', ''] : [seconds(median(values)), seconds(Math.max(...values))];
};

const median = (values: readonly number[]): number | null =>
  values.length === 0 ? null : ([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number);

const seconds = (ms: number | null): string => (ms === null ? '' : `${(ms / 1000).toFixed(1)} s`);
