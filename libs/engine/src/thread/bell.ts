/** Rung by one thread, heard by another that sleeps meanwhile: a count in shared memory. Nothing rung before listening is missed. */
export class Bell {
  readonly #count: Int32Array<SharedArrayBuffer>;
  #heard = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#count = new Int32Array(memory);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  ring(): void {
    Atomics.add(this.#count, 0, 1);
    Atomics.notify(this.#count, 0);
  }

  /** Blocks this thread until there was a ring since the last time; false where there was none in that time. */
  waitFor(ms: number): boolean {
    const silent = Atomics.wait(this.#count, 0, this.#heard, ms) === 'timed-out';
    this.#heard = Atomics.load(this.#count, 0);
    return !silent;
  }
}
