export interface SnapshotPolicyOptions {
  /** A snapshot is due after so many bytes of gradients: what a recovery must replay. */
  logBytes: number;
  /** ... or after so long, if anything was applied since the last. */
  intervalMs: number;
}

/** When to take a snapshot. Times are milliseconds of one clock. */
export class SnapshotPolicy {
  readonly #options: SnapshotPolicyOptions;
  #bytesSince = 0;
  #lastMs: number;

  constructor(options: SnapshotPolicyOptions, nowMs: number) {
    this.#options = options;
    this.#lastMs = nowMs;
  }

  applied(bytes: number): void {
    this.#bytesSince += bytes;
  }

  due(nowMs: number): boolean {
    const { logBytes, intervalMs } = this.#options;
    return this.#bytesSince >= logBytes || (this.#bytesSince > 0 && nowMs - this.#lastMs >= intervalMs);
  }

  /** One was begun: what comes from now on is for the next. Answers the bytes it covers, to be counted again should it fail. */
  taken(nowMs: number): number {
    const bytes = this.#bytesSince;
    this.#bytesSince = 0;
    this.#lastMs = nowMs;
    return bytes;
  }

  /** Something is not in a snapshot yet. */
  get pending(): boolean {
    return this.#bytesSince > 0;
  }
}
