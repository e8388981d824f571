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
    const sum = this.#free.pop() ?? new Float64Array(this.#length);
    if (gradient === null) sum.fill(0);
    else sum.set(gradient);
    let [level, index, width] = [0, portion, this.#portions];
    while (width > 1) {
      const sibling = index ^ 1;
      if (sibling < width) {
        const key = `${level}/${sibling}`;
        const other = this.#nodes.get(key);
        if (other === undefined) break;
        this.#nodes.delete(key);
        for (let i = 0; i < sum.length; i++) sum[i]! += other.sum[i]!;
        this.#free.push(other.sum);
      }
      [level, index, width] = [level + 1, index >> 1, (width + 1) >> 1];
    }
    this.#nodes.set(`${level}/${index}`, { level, index, sum });
  }

  /** into <- sum / divisor, once it is complete. */
  mean(divisor: number, into: Float32Array): void {
    const [root] = [...this.#nodes.values()];
    if (!this.complete || root === undefined) throw new Error('Portions are missing: there is no sum yet');
    for (let i = 0; i < into.length; i++) into[i] = root.sum[i]! / divisor;
  }

  clear(): void {
    for (const { sum } of this.#nodes.values()) this.#free.push(sum);
    this.#nodes.clear();
    this.#added = 0;
  }
}
