import type { ByteBudget } from './limits.ts';

/** Numbers whose count is not known before: doubles its memory as it grows, within the budget. */
export class GrowableArray {
  readonly #file: string;
  readonly #budget: ByteBudget;
  #values = new Float64Array(1024);
  #length = 0;

  constructor(file: string, budget: ByteBudget) {
    this.#file = file;
    this.#budget = budget;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.#grow();
    this.#values[this.#length++] = value;
  }

  /** What has been pushed; valid until the next push. */
  values(): Float64Array<ArrayBuffer> {
    return this.#values.subarray(0, this.#length);
  }

  #grow(): void {
    if (this.#values.byteLength * 2 > this.#budget.maxBytes * GROWTH_HEADROOM) throw this.#budget.exceeded(this.#file);
    const larger = new Float64Array(this.#values.length * 2);
    larger.set(this.#values);
    this.#values = larger;
  }
}

/** Doubling may overshoot by two, and doubles are twice as long as the float32 that they become. */
const GROWTH_HEADROOM = 4;
