import type { UncutNode } from './assign-layers.ts';
import { CutLoads } from './cut-loads.ts';
import type { Assignment } from './segments.ts';

/** Moves that make a cut worse, in a row, before a pass gives up: a branch of an inception module is some layers long. */
const PATIENCE = 12;
const PASSES = 8;
/** Layer moves that are weighed at most: about a second of work. */
const BUDGET = 300_000;

/**
 * A cut whose busiest partition has least to do, computing and sending (CutLoads). First the best cut of the layers in a line (dynamic programming), then layers move across
 * (Fiduccia and Mattheyses 1982): each move the best there is, even if it makes the cut worse, and of the whole series what was best. `nodes` in topological order; pinned
 * layers stay where they are.
 */
export function automaticCut(
  nodes: readonly UncutNode[],
  count: number,
  pinned: ReadonlyMap<string, number>,
): Assignment {
  const loads = new CutLoads(nodes, count);
  const fixed = nodes.map(({ layer }) => pinned.get(layer) ?? null);
  const places = inLine(nodes, count, fixed, loads);
  let left = BUDGET;
  for (let pass = 0; pass < PASSES && left > 0; pass++) {
    const { better, weighed } = refine(places, fixed, loads, left);
    left -= weighed;
    if (!better) break;
  }
  return Object.fromEntries(nodes.map(({ layer }, i) => [layer, places[i]!]));
}

/** Partition of each layer when the layers are cut in their order, every partition with parameters of its own if that can be. */
function inLine(
  nodes: readonly UncutNode[],
  count: number,
  fixed: readonly (number | null)[],
  loads: CutLoads,
): number[] {
  const n = nodes.length;
  const base = new Array<number>(count).fill(0);
  const pinnedWeights = new Array<number>(count).fill(0);
  const costs = [0];
  const weights = [0];
  nodes.forEach(({ costMs, parameters }, i) => {
    const partition = fixed[i] ?? null;
    const weight = parameters > 0 ? 1 : 0;
    if (partition !== null) {
      base[partition]! += costMs;
      pinnedWeights[partition]! += weight;
    }
    costs.push(costs[i]! + (partition === null ? costMs : 0));
    weights.push(weights[i]! + (partition === null ? weight : 0));
  });
  const across = loads.acrossLine();
  // best[p][i]: the busiest of partitions 0 to p with layers before i in them.
  const best: number[][] = [];
  const from: number[][] = [];
  for (let p = 0; p < count; p++) {
    best.push(new Array<number>(n + 1).fill(Infinity));
    from.push(new Array<number>(n + 1).fill(0));
    for (let i = 0; i <= n; i++) {
      for (let j = p === 0 ? i : 0; j <= i; j++) {
        const begin = p === 0 ? 0 : j;
        if (weights[i]! - weights[begin]! + pinnedWeights[p]! === 0) continue;
        const load = base[p]! + costs[i]! - costs[begin]! + across[begin]! + across[i]!;
        const busiest = Math.max(load, p === 0 ? 0 : best[p - 1]![begin]!);
        if (busiest < best[p]![i]!) {
          best[p]![i] = busiest;
          from[p]![i] = begin;
        }
      }
    }
  }
  const places = new Array<number>(n).fill(0);
  let end = n;
  for (let p = count - 1; p >= 0; p--) {
    const begin = best[count - 1]![n] === Infinity ? Math.round((n * p) / count) : from[p]![end]!;
    for (let i = begin; i < end; i++) places[i] = p;
    end = begin;
  }
  return places.map((place, i) => fixed[i] ?? place);
}

/** One pass; `places` is left as the best that it came by. */
function refine(
  places: number[],
  fixed: readonly (number | null)[],
  loads: CutLoads,
  budget: number,
): { better: boolean; weighed: number } {
  const before = loads.score(places);
  let best = before;
  let bestMoves = 0;
  let weighed = 0;
  const moved = new Set<number>();
  const moves: { layer: number; back: number }[] = [];
  while (moves.length - bestMoves < PATIENCE && weighed < budget) {
    let choice: { layer: number; to: number; score: number } | null = null;
    for (let layer = 0; layer < places.length; layer++) {
      if (moved.has(layer) || fixed[layer] !== null) continue;
      const own = places[layer]!;
      for (const to of loads.neighbours(layer, places)) {
        weighed += 1;
        if (!loads.mayMove(layer, to, places)) continue;
        places[layer] = to;
        const score = loads.score(places);
        places[layer] = own;
        if (!choice || score < choice.score) choice = { layer, to, score };
      }
    }
    if (!choice) break;
    moves.push({ layer: choice.layer, back: places[choice.layer]! });
    places[choice.layer] = choice.to;
    moved.add(choice.layer);
    if (choice.score < best * (1 - 1e-6)) {
      best = choice.score;
      bestMoves = moves.length;
    }
  }
  for (const { layer, back } of moves.slice(bestMoves).reverse()) places[layer] = back;
  return { better: best < before * (1 - 1e-6), weighed };
}
