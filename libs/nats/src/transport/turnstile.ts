/** Lets `width` through at a time; the others wait in line, at most `maxWaiting` of them. */
export class Turnstile {
  readonly #width: number;
  readonly #maxWaiting: number;
  readonly #line: (() => void)[] = [];
  #inside = 0;

  constructor(width: number, maxWaiting = Infinity) {
    this.#width = width;
    this.#maxWaiting = maxWaiting;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Runs `work` now or when its turn comes; false when the line is too long, and then it never will. */
  enter(work: () => Promise<void>): boolean {
    if (this.#inside >= this.#width && this.#line.length >= this.#maxWaiting) return false;
    const run = (): void => {
      this.#inside += 1;
      void work().finally(() => {
        this.#inside -= 1;
        this.#line.shift()?.();
      });
    };
    if (this.#inside < this.#width) run();
    else this.#line.push(run);
    return true;
  }
}
