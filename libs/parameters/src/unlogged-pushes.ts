import type { LogFollower, PushLog } from './ports.ts';

/**
 * Stands for the push log of a job that has none: pushes come straight from the workers, and get the positions of a log that nobody keeps. What came after the
 * newest snapshot is gone with its owner; the ledger then lacks it, and its chunks are given out again.
 */
export class UnloggedPushes implements PushLog, LogFollower {
  readonly caughtUp = Promise.resolve();
  #position = 0;

  async follow(after: number): Promise<LogFollower> {
    this.#position = after;
    return this;
  }

  /** Position of the push that is applied next. */
  next(): number {
    return ++this.#position;
  }

  safePosition(): number {
    return this.#position;
  }

  async trim(): Promise<void> {}

  async stop(): Promise<void> {}
}
