/** Staleness from here on shares the histogram's last bucket. */
const BUCKETS = 64;

export interface StalenessState {
  /** Pushes by staleness 0, 1, ...; the last bucket holds all beyond. */
  histogram: number[];
  sum: number;
  max: number;
}

/** Of all pushes that a shard has applied: how many versions it had moved on since each gradient's parameters were pulled. */
export class StalenessStatistics {
  readonly #histogram: number[];
  #sum: number;
  #max: number;

  constructor(state: StalenessState = { histogram: [], sum: 0, max: 0 }) {
    this.#histogram = [...state.histogram];
    this.#sum = state.sum;
    this.#max = state.max;
  }

  record(staleness: number): void {
    const bucket = Math.min(staleness, BUCKETS - 1);
    while (this.#histogram.length <= bucket) this.#histogram.push(0);
    this.#histogram[bucket]! += 1;
    this.#sum += staleness;
    this.#max = Math.max(this.#max, staleness);
  }

  /** 0 when nothing has been applied. */
  get mean(): number {
    const count = this.#histogram.reduce((sum, part) => sum + part, 0);
    return count === 0 ? 0 : this.#sum / count;
  }

  get max(): number {
    return this.#max;
  }

  capture(): StalenessState {
    return { histogram: [...this.#histogram], sum: this.#sum, max: this.#max };
  }
}
