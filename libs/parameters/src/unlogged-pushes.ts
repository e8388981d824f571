import type { LogFollower, PushLog } from './ports.ts';

/** More than one owner will ever apply. */
const POSITIONS_OF_AN_OWNER = 2 ** 32;

/**
 * Stands for the push log of a job that has none: pushes come straight from the workers, and get the positions of a log that nobody keeps. What came after the
 * newest snapshot is gone with its owner; the ledger then lacks it, and its chunks are given out again.
 */
export class UnloggedPushes implements PushLog, LogFollower {
  readonly caughtUp = Promise.resolve();
  readonly #first: number;
  #position = 0;

  /** Positions grow with `ownership`: a snapshot that an owner before stores late must not pass for the newest. */
  constructor(ownership: number) {
    this.#first = ownership * POSITIONS_OF_AN_OWNER;
  }

  async follow(after: number): Promise<LogFollower> {
    this.#position = Math.max(after, this.#first);
    return this;
  }

  /** Position of the push that is applied next. */
  next(): number {
    return ++this.#position;
  }

  safePosition(): number {
    return this.#position;
  }

  async trimmed(): Promise<boolean> {
    return false;
  }

  async trim(): Promise<void> {}

  async stop(): Promise<void> {}
}
