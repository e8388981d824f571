const LEAST_LOG_BYTES = 16 * 2 ** 20;
const MOST_LOG_BYTES = 256 * 2 ** 20;
/** A fifth of what is written are snapshots then, at most. */
const LOG_TO_STATE = 4;

/**
 * Bytes of gradients after which a snapshot of a shard of that many bytes is due, where nobody says otherwise. A recovery reads the snapshot and
 * replays the log: 16 MiB take it some tenths of a second on a busy machine. A large shard must be snapshotted more rarely, or more would be written
 * for snapshots than for gradients.
 */
export const defaultLogBytes = (stateBytes: number): number =>
  Math.max(Math.min(Math.max(LOG_TO_STATE * stateBytes, LEAST_LOG_BYTES), MOST_LOG_BYTES), stateBytes);

/** Bytes of a record beside its gradient: subject, headers, the push's own header. Of a small model it is all there is. */
export const RECORD_OVERHEAD_BYTES = 512;
/** The log is trimmed behind the second snapshot from the end: with this it never holds more than half of its room for what is applied. */
const SNAPSHOTS_IN_LOG = 4;

/** Bytes of log after which a snapshot is due so that a log of `logBytes`, shared by the shards of `jobLength` values, never fills up with what is applied. */
export const logShare = (logBytes: number, length: number, jobLength: number): number =>
  Math.max(1, Math.floor((logBytes * length) / jobLength / SNAPSHOTS_IN_LOG));

export interface SnapshotPolicyOptions {
  /** A snapshot is due after so many bytes of gradients: what a recovery must replay. @default defaultLogBytes */
  logBytes?: number | undefined;
  /** ... or after so long, if anything was applied since the last. */
  intervalMs: number;
  /** ... or after so many bytes of log (logShare). */
  mostLogBytes?: number | undefined;
}

/** When to take a snapshot. Times are milliseconds of one clock. */
export class SnapshotPolicy {
  readonly #logBytes: number;
  readonly #intervalMs: number;
  #bytesSince = 0;
  #lastMs: number;

  /** `stateBytes`: of the shard, as a snapshot holds it. */
  constructor(
    { logBytes, intervalMs, mostLogBytes = Infinity }: SnapshotPolicyOptions,
    stateBytes: number,
    nowMs: number,
  ) {
    this.#logBytes = Math.min(logBytes ?? defaultLogBytes(stateBytes), mostLogBytes);
    this.#intervalMs = intervalMs;
    this.#lastMs = nowMs;
  }

  applied(bytes: number): void {
    this.#bytesSince += bytes;
  }

  due(nowMs: number): boolean {
    return this.#bytesSince >= this.#logBytes || (this.#bytesSince > 0 && nowMs - this.#lastMs >= this.#intervalMs);
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
