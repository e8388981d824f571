/**
 * A fixed number of float32 vectors of one length, made when first needed and reused for ever: a training step allocates nothing
 * of the size of the parameters. Taking one waits while all are in use, which is also what bounds outstanding pushes.
 */
export class BufferPool {
  readonly #allocate: () => Float32Array;
  readonly #capacity: number;
  readonly #free: Float32Array[] = [];
  readonly #waiting: ((buffer: Float32Array) => void)[] = [];
  #made = 0;

  constructor(allocate: () => Float32Array, capacity: number) {
    this.#allocate = allocate;
    this.#capacity = capacity;
  }

  /** Vectors in existence; never more than the capacity. */
  get made(): number {
    return this.#made;
  }

  async take(signal: AbortSignal): Promise<Float32Array> {
    signal.throwIfAborted();
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made < this.#capacity) {
      this.#made += 1;
      return this.#allocate();
    }
    return new Promise((resolve, reject) => {
      const waiter = (buffer: Float32Array) => {
        signal.removeEventListener('abort', onAbort);
        resolve(buffer);
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  giveBack(buffer: Float32Array): void {
    const waiter = this.#waiting.shift();
    if (waiter) waiter(buffer);
    else this.#free.push(buffer);
  }
}
