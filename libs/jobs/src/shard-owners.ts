import type { JobPlan, KeyRange, Member, ShardPlacement } from '@downpour/contracts';
import { available } from './waiting.ts';

/** What each parameter-shard process holds, over all jobs: parameters first, shards break a tie, then the name. */
export interface Load {
  parameters: number;
  shards: number;
}

/** A shard that gets another owner, and why. */
export interface Move {
  shard: number;
  from: string | null;
  to: string | null;
  why: string;
}

export function sizeOf(ranges: readonly KeyRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** Loads of the processes that may be given a shard. */
export function loadsOf(members: readonly Member[], plans: readonly JobPlan[]): Map<string, Load> {
  const loads = new Map<string, Load>(
    available(members, 'parameter-shard').map(({ instance }) => [instance, { parameters: 0, shards: 0 }]),
  );
  for (const { instance, ranges } of plans.flatMap((plan) => plan.shards)) {
    const load = instance === null ? undefined : loads.get(instance);
    if (load === undefined) continue;
    load.parameters += sizeOf(ranges);
    load.shards += 1;
  }
  return loads;
}

function leastLoaded(loads: Map<string, Load>, except: string | null = null): string | null {
  const [best] = [...loads]
    .filter(([instance]) => instance !== except)
    .sort(
      ([nameA, a], [nameB, b]) =>
        a.parameters - b.parameters || a.shards - b.shards || (nameA < nameB ? -1 : Number(nameA > nameB)),
    );
  return best?.[0] ?? null;
}

function take(loads: Map<string, Load>, instance: string | null, ranges: readonly KeyRange[]): void {
  const load = instance === null ? undefined : loads.get(instance);
  if (load === undefined) return;
  load.parameters += sizeOf(ranges);
  load.shards += 1;
}

/** First owners: the largest shard first, each to the process that holds least. More shards than processes share them. */
export function firstOwners(ranges: readonly KeyRange[][], loads: Map<string, Load>): ShardPlacement[] {
  const placements: ShardPlacement[] = ranges.map((own, shard) => ({
    shard,
    ranges: own,
    instance: null,
    ownership: 1,
  }));
  for (const placement of [...placements].sort((a, b) => sizeOf(b.ranges) - sizeOf(a.ranges))) {
    placement.instance = leastLoaded(loads);
    take(loads, placement.instance, placement.ranges);
  }
  return placements;
}

/** The owner before is not needed any more once the new one serves, or it has gone itself. */
export function endHandovers(
  shards: readonly ShardPlacement[],
  members: readonly Member[],
  serves: (placement: ShardPlacement) => boolean,
): ShardPlacement[] {
  return shards.map((placement) => {
    const { previous, ...rest } = placement;
    if (previous === undefined) return placement;
    const there = members.some(({ role, instance }) => role === 'parameter-shard' && instance === previous.instance);
    return there && !serves(placement) ? placement : rest;
  });
}

/** To another owner. One that is alive and serves answers pulls until that one does, if the shard is such that both may (`handOver`). */
function moveTo(placement: ShardPlacement, to: string, handOver: boolean): ShardPlacement {
  const { previous, ...rest } = placement;
  const { instance, ownership } = placement;
  // While a handover is under way only the owner before has anything to show.
  const kept = previous ?? (handOver && instance !== null ? { instance, ownership } : undefined);
  const moved = { ...rest, instance: to, ownership: ownership + 1 };
  return kept === undefined || kept.instance === to ? moved : { ...moved, previous: kept };
}

/**
 * Gives every shard whose owner has gone, is leaving or has given up (`failed`) to a live process. With nobody to take it, a shard of a
 * vanished owner has none (null) and waits; one of a process that is leaving stays. Ownership grows with
 * every new owner, so that an old one which comes back is fenced. One that is leaving hands over, where the job's shards can be (`canHandOver`).
 */
export function repairOwners(
  shards: readonly ShardPlacement[],
  members: readonly Member[],
  loads: Map<string, Load>,
  failed: ReadonlySet<number> = new Set(),
  canHandOver = true,
): { shards: ShardPlacement[]; moves: Move[] } {
  const moves: Move[] = [];
  const repaired = shards.map((placement): ShardPlacement => {
    const { shard, instance, ranges } = placement;
    const owner = members.find((member) => member.role === 'parameter-shard' && member.instance === instance);
    const why = whyMove(instance, owner, failed.has(shard));
    if (why === null) return placement;
    const other = leastLoaded(loads, owner === undefined ? null : instance);
    // One that failed and is the only one gets another try.
    const to = other ?? (owner !== undefined && !owner.draining ? instance : null);
    if (to === null && (owner !== undefined || instance === null)) return placement;
    take(loads, to, ranges);
    moves.push({ shard, from: instance, to, why });
    if (to === null) return { ...placement, instance: null };
    return moveTo(placement, to, canHandOver && owner?.draining === true && !failed.has(shard));
  });
  return { shards: repaired, moves };
}

function whyMove(instance: string | null, owner: Member | undefined, failed: boolean): string | null {
  if (instance === null) return 'it has no owner';
  if (owner === undefined) return `${instance} has gone`;
  if (owner.draining) return `${instance} is leaving`;
  return failed ? `${instance} cannot serve it` : null;
}

/**
 * One shard of this job from the process with most shards to the one with least, when that evens the load: a process that joins in
 * mid-job is of use at once. Counts shards of all jobs. The owner answers pulls until the new one does. Null when nothing is gained.
 */
export function rebalance(
  shards: readonly ShardPlacement[],
  loads: Map<string, Load>,
): { shards: ShardPlacement[]; moves: Move[] } | null {
  const byShards = [...loads].sort(([, a], [, b]) => a.shards - b.shards || a.parameters - b.parameters);
  const least = byShards[0];
  if (least === undefined) return null;
  const crowded = byShards.reverse().find(([instance, { shards: count }]) => {
    return count - least[1].shards >= 2 && shards.some((placement) => placement.instance === instance);
  });
  if (crowded === undefined) return null;
  const [from] = crowded;
  const [moved] = shards
    .filter((placement) => placement.instance === from)
    .sort((a, b) => sizeOf(b.ranges) - sizeOf(a.ranges));
  if (moved === undefined) return null;
  const [to] = least;
  return {
    shards: shards.map((placement) => (placement.shard === moved.shard ? moveTo(placement, to, true) : placement)),
    moves: [{ shard: moved.shard, from, to, why: `${to} has room` }],
  };
}
