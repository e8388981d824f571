import { SeededRandom } from './seeded-random.ts';

/**
 * kill: SIGKILL. freeze: SIGSTOP, later SIGCONT. partition: its bytes stop passing, later they pass again. cut: its connections are
 * reset, and new ones for a while. delay: its bytes come later.
 */
export const FAULT_KINDS = ['kill', 'freeze', 'partition', 'cut', 'delay'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something that can be disturbed. */
export interface FaultTarget {
  name: string;
  kinds: readonly FaultKind[];
  /** Longest fault that ends by itself. @default the plan's */
  longestMs?: number;
}

export interface PlannedFault {
  /** Since the plan's beginning. */
  atMs: number;
  kind: FaultKind;
  target: string;
  /** How long it lasts; a killed process is started again so long after. */
  lengthMs: number;
}

export interface FaultPlanOptions {
  seed: number;
  durationMs: number;
  targets: readonly FaultTarget[];
  killsPerMinute: number;
  /** All kinds but kill. */
  othersPerMinute: number;
  /** Longest fault of those that end by themselves. @default 60,000 */
  longestMs?: number;
}

const SHORTEST_MS = 500;
const DEFAULT_LONGEST_MS = 60_000;
/** A killed process comes back within so long. */
const LONGEST_ABSENCE_MS = 4000;

/**
 * Which fault befalls whom, when and for how long: by the seed alone, in order of time. Kills come at an even pace, each at a random moment of its share of
 * the time, and every target is killed once before one is killed again.
 */
export const planFaults = (options: FaultPlanOptions): PlannedFault[] => {
  const { seed, durationMs, targets, killsPerMinute, othersPerMinute, longestMs = DEFAULT_LONGEST_MS } = options;
  const random = new SeededRandom(seed);
  const withoutKill = ({ kinds }: FaultTarget): FaultKind[] => kinds.filter((kind) => kind !== 'kill');
  const mortal = targets.filter(({ kinds }) => kinds.includes('kill'));
  const disturbable = targets.filter((target) => withoutKill(target).length > 0);
  const faults: PlannedFault[] = [];
  if (mortal.length > 0) {
    const deal = dealer(random, mortal);
    for (const atMs of paced(random, durationMs, killsPerMinute))
      faults.push({
        atMs,
        kind: 'kill',
        target: deal().name,
        lengthMs: Math.round(random.between(0, LONGEST_ABSENCE_MS)),
      });
  }
  if (disturbable.length > 0) {
    const deal = dealer(random, disturbable);
    for (const atMs of paced(random, durationMs, othersPerMinute)) {
      const target = deal();
      const lengthMs = Math.round(random.logBetween(SHORTEST_MS, Math.min(longestMs, target.longestMs ?? longestMs)));
      faults.push({ atMs, kind: random.pick(withoutKill(target)), target: target.name, lengthMs });
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
};

const paced = (random: SeededRandom, durationMs: number, perMinute: number): number[] => {
  const count = Math.round((durationMs / 60_000) * perMinute);
  return Array.from({ length: count }, (_, index) => Math.round(((index + random.next()) / count) * durationMs));
};

/** Deals targets as from a pack of cards that is shuffled anew whenever it is used up. */
const dealer = (random: SeededRandom, targets: readonly FaultTarget[]): (() => FaultTarget) => {
  const pack: FaultTarget[] = [];
  return () => {
    if (pack.length === 0) pack.push(...random.shuffled(targets));
    return pack.pop() as FaultTarget;
  };
};
