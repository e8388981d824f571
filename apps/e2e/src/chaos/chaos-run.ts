import { setTimeout as sleep } from 'node:timers/promises';
import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import type { PlannedFault } from '@downpour/testing';
import { planFaults } from '@downpour/testing';
import type { ChaosSize } from './chaos-cluster.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { JobWatch } from './job-watch.ts';

export interface ChaosOptions extends ChaosSize {
  seed: number;
  /** How long faults come. Jobs follow one another; the one at work then is finished undisturbed. */
  durationMs: number;
  killsPerMinute: number;
  othersPerMinute: number;
  /** Longest freeze, partition or delay. */
  longestMs: number;
  spec: JobSpecInput;
  logFolder: string;
  onNote: (line: string) => void;
}

export interface SufferedFault extends PlannedFault {
  role: string;
  /** Until the job was seen to move on; null when no job was running any more. */
  movedOnMs: number | null;
  /** Kills: until the one that took its place was ready. */
  readyMs: number | null;
}

export interface ChaosOutcome {
  /** The same job without a fault. */
  undisturbed: JobRecord;
  disturbed: JobRecord[];
  faults: SufferedFault[];
  /** Processes that ended although nobody had killed them. */
  deaths: string[];
  tookMs: number;
}

/** The job that is at work when the faults end must end by itself within this. */
const FINISH_MS = 10 * 60_000;

/** Trains under faults that follow from the seed. Leaves no process behind, whatever happens. @throws the signal's reason */
export const runChaos = async (options: ChaosOptions, signal: AbortSignal): Promise<ChaosOutcome> => {
  const { onNote, durationMs } = options;
  const deaths: string[] = [];
  const onDeath = (name: string, how: string): void => {
    deaths.push(`${name} ended by itself (${how})`);
    onNote(`${name} ended by itself: ${how}`);
  };
  const cluster = await ChaosCluster.start({ ...options, onDeath });
  try {
    const watch = new JobWatch(cluster);
    const named = (name: string) => ({ ...options.spec, name: `chaos seed ${options.seed}, ${name}` });
    onNote('The undisturbed run comes first');
    const undisturbed = await watch.run(named('undisturbed'), signal);
    onNote(describe('undisturbed', undisturbed));

    const began = performance.now();
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const suffering = sufferAll(cluster, options, stop);
    const disturbed: JobRecord[] = [];
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(durationMs + FINISH_MS)]);
    try {
      while (performance.now() - began < durationMs) {
        const job = await watch.run(named(`job ${disturbed.length + 1}`), deadline);
        onNote(describe(`job ${disturbed.length + 1}`, job));
        disturbed.push(job);
      }
    } finally {
      over.abort();
    }
    const faults = (await suffering).map(({ began: at, ...fault }) => ({
      ...fault,
      movedOnMs: watch.movedOnAfter(at),
    }));
    return { undisturbed, disturbed, faults, deaths, tookMs: performance.now() - began };
  } finally {
    await cluster.stop();
  }
};

type Suffered = Omit<SufferedFault, 'movedOnMs'> & { began: number };

const sufferAll = async (cluster: ChaosCluster, options: ChaosOptions, signal: AbortSignal): Promise<Suffered[]> => {
  const { onNote } = options;
  const plan = planFaults({ ...options, targets: cluster.members });
  const start = performance.now();
  const suffered: Promise<Suffered>[] = [];
  for (const fault of plan) {
    await sleep(Math.max(0, fault.atMs - (performance.now() - start)), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const member = cluster.members.find(({ name }) => name === fault.target);
    if (member === undefined) continue;
    onNote(`${(fault.atMs / 1000).toFixed(1)} s: ${fault.kind} ${fault.target} for ${fault.lengthMs} ms`);
    suffered.push(
      (async () => {
        const began = performance.now();
        await member.suffer(fault.kind, fault.lengthMs, signal);
        const readyMs = fault.kind === 'kill' && !signal.aborted ? performance.now() - began : null;
        return { ...fault, role: member.role, began, readyMs };
      })(),
    );
  }
  return Promise.all(suffered);
};

const describe = (name: string, { state, reason, result, ledger }: JobRecord): string => {
  const counts = ledger.map(
    ({ applied, expected, duplicatesDropped }) => `${applied}/${expected} (${duplicatesDropped} doubles)`,
  );
  return `${name}: ${state}${reason ? ` (${reason})` : ''}, accuracy ${result?.accuracy?.toFixed(4) ?? '-'}, ${(
    (result?.trainingMs ?? 0) / 1000
  ).toFixed(0)} s, pushes ${counts.join(', ')}`;
};
