/** At most so much under way (bytes, or pieces); who would exceed it waits in line. One that is larger than the window goes alone. */
export class FlowWindow {
  readonly #limit: number;
  readonly #line: { amount: number; enter: () => void }[] = [];
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Resolves with the function that leaves again. @throws the signal's reason */
  async enter(amount: number, signal: AbortSignal): Promise<() => void> {
    if (this.#line.length > 0 || !this.#fits(amount)) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          this.#line.splice(this.#line.indexOf(place), 1);
          this.#admit();
          reject(signal.reason as Error);
        };
        const place = {
          amount,
          enter: () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        this.#line.push(place);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    } else this.#used += amount;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#used -= amount;
      this.#admit();
    };
  }

  #fits(amount: number): boolean {
    return this.#used === 0 || this.#used + amount <= this.#limit;
  }

  #admit(): void {
    for (let next = this.#line[0]; next !== undefined && this.#fits(next.amount); next = this.#line[0]) {
      this.#line.shift();
      this.#used += next.amount;
      next.enter();
    }
  }
}
