interface Node {
  level: number;
  index: number;
  sum: Float64Array;
}

/**
 * The sum of the portions' gradients, in float64, added up along a fixed binary tree over the portions: whatever order they come in, and whoever they come
 * from, the same gradients give the same bits. Holds as many vectors as there are gaps in what has come, about: two portions that are neighbours are one vector at once.
 */
export class PortionSum {
  readonly #length: number;
  readonly #portions: number;
  readonly #nodes = new Map<string, Node>();
  readonly #free: Float64Array[] = [];
  #added = 0;

  constructor(length: number, portions: number) {
    this.#length = length;
    this.#portions = portions;
  }

  get complete(): boolean {
    return this.#added === this.#portions;
  }

  /** How many have been added. */
  get added(): number {
    return this.#added;
  }

  /** Vectors held at present, without those kept for later use. */
  get held(): number {
    return this.#nodes.size;
  }

  /** Each portion once: who makes sure of that is the ledger. null: it adds nothing. */
  add(portion: number, gradient: Float32Array | null): void {
    this.#added += 1;
    let [level, index, width] = [0, portion, this.#portions];
    let sum: Float64Array | null = null;
    while (width > 1) {
      const sibling = index ^ 1;
      if (sibling < width) {
        const key = `${level}/${sibling}`;
        const other = this.#nodes.get(key);
        if (other === undefined) break;
        this.#nodes.delete(key);
        if (sum === null) {
          // A portion next to one that is there takes no vector of its own: it is added where the other is.
          sum = other.sum;
          addPortion(sum, gradient);
        } else {
          addSum(sum, other.sum);
          this.#free.push(other.sum);
        }
      }
      // A portion without a neighbour goes up as it is.
      sum ??= this.#vectorOf(gradient);
      [level, index, width] = [level + 1, index >> 1, (width + 1) >> 1];
    }
    sum ??= this.#vectorOf(gradient);
    this.#nodes.set(`${level}/${index}`, { level, index, sum });
  }

  /** into <- sum / divisor, once it is complete. */
  mean(divisor: number, into: Float32Array): void {
    const [root] = [...this.#nodes.values()];
    if (!this.complete || root === undefined) throw new Error('Portions are missing: there is no sum yet');
    for (let i = 0; i < into.length; i++) into[i] = root.sum[i]! / divisor;
  }

  #vectorOf(gradient: Float32Array | null): Float64Array {
    const sum = this.#free.pop() ?? new Float64Array(this.#length);
    if (gradient === null) sum.fill(0);
    else sum.set(gradient);
    return sum;
  }

  clear(): void {
    for (const { sum } of this.#nodes.values()) this.#free.push(sum);
    this.#nodes.clear();
    this.#added = 0;
  }
}

/** Each loop sees arrays of one kind: V8 compiles it for them. */
const addSum = (sum: Float64Array, other: Float64Array): void => {
  for (let i = 0; i < sum.length; i++) sum[i]! += other[i]!;
};
const addPortion = (sum: Float64Array, gradient: Float32Array | null): void => {
  // Zeros, not nothing: they make 0 of -0, whichever comes first.
  if (gradient === null) for (let i = 0; i < sum.length; i++) sum[i]! += 0;
  else for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!;
};
