import type { UncutNode } from './assign-layers.ts';

/** Examples that costs and crossings are weighed for. */
const EXAMPLES = 64;
/** Measured over NATS on one machine: 0.5 GB/s, and 0.3 ms a message with others in flight. */
const BYTES_PER_MS = 0.5e6;
const MESSAGE_MS = 0.3;
/** Forward its values, backward its gradient. */
const WAYS = 2;

/** What each partition of a cut has to do, in ms per 64 examples: compute its layers, and send and receive what crosses. */
export class CutLoads {
  readonly #count: number;
  readonly #costs: readonly number[];
  readonly #weighted: readonly boolean[];
  readonly #crossing: readonly number[];
  readonly #inputs: readonly (readonly number[])[];
  readonly #readers: readonly (readonly number[])[];

  constructor(nodes: readonly UncutNode[], count: number) {
    const index = new Map(nodes.map(({ layer }, i) => [layer, i]));
    this.#count = count;
    this.#costs = nodes.map(({ costMs }) => costMs);
    this.#weighted = nodes.map(({ parameters }) => parameters > 0);
    this.#crossing = nodes.map(({ outputBytes }) => WAYS * (MESSAGE_MS + (EXAMPLES * outputBytes) / BYTES_PER_MS));
    // The model's input is in no partition.
    this.#inputs = nodes.map(({ inputs }) => inputs.flatMap((name) => index.get(name) ?? []));
    const readers = nodes.map((): number[] => []);
    this.#inputs.forEach((sources, reader) => sources.forEach((source) => readers[source]!.push(reader)));
    this.#readers = readers;
  }

  /** The busiest partition's load; of two cuts that are the same by that, the one with less work in all is better. */
  score(places: readonly number[]): number {
    const loads = new Array<number>(this.#count).fill(0);
    let all = 0;
    places.forEach((own, i) => {
      loads[own]! += this.#costs[i]!;
      const told = new Set<number>();
      for (const reader of this.#readers[i]!) {
        const place = places[reader]!;
        if (place === own || told.has(place)) continue;
        told.add(place);
        const ms = this.#crossing[i]!;
        loads[own]! += ms;
        loads[place]! += ms;
        all += ms;
      }
    });
    return Math.max(...loads) + 0.05 * all;
  }

  /** By place in the line: the ms that tensors take which are made before it and read after. */
  acrossLine(): number[] {
    const n = this.#costs.length;
    const change = new Array<number>(n + 1).fill(0);
    this.#readers.forEach((readers, i) => {
      if (readers.length === 0) return;
      change[i + 1]! += this.#crossing[i]!;
      const last = Math.max(...readers) + 1;
      if (last <= n) change[last]! -= this.#crossing[i]!;
    });
    let open = 0;
    return change.map((by) => Math.max(0, (open += by)));
  }

  /** Partitions that a layer reads from or is read by, but its own. */
  neighbours(layer: number, places: readonly number[]): Set<number> {
    const near = new Set([...this.#inputs[layer]!, ...this.#readers[layer]!].map((other) => places[other]!));
    near.delete(places[layer]!);
    return near;
  }

  /** Not if its partition would lose its last parameters, nor if tensors would go back to an earlier partition that went forward before: those would wait for each other. */
  mayMove(layer: number, to: number, places: readonly number[]): boolean {
    const own = places[layer]!;
    const backward = (place: number) =>
      this.#inputs[layer]!.filter((other) => places[other]! > place).length +
      this.#readers[layer]!.filter((other) => places[other]! < place).length;
    if (backward(to) > backward(own)) return false;
    return !this.#weighted[layer] || places.some((place, i) => i !== layer && place === own && this.#weighted[i]);
  }
}
