import type { LogFollower, LoggedRecord, PushLog } from '@downpour/parameters';
import type { Refusals } from '../refusals/refusals.ts';
import { PushIntake } from '../streams/push-intake.ts';
import { sliceHeader } from './loopback.ts';

/** A push log without a server: bytes go through what a shard's own log does with them, at once. One follower; nothing is kept. */
export class IntakeLog implements PushLog {
  readonly #refusals: Refusals;
  #intake: PushIntake | undefined;
  #sequence = 0;

  constructor(refusals: Refusals) {
    this.#refusals = refusals;
  }

  /** A record with these bytes; with the text of a slice's header, if it is one. Resolves once it has been taken. */
  async append(data: Uint8Array, slice?: string): Promise<void> {
    this.#sequence += 1;
    await this.#intake?.take({
      subject: 'push-log',
      data,
      headers: slice === undefined ? undefined : sliceHeader(slice),
      sequence: this.#sequence,
      // A record a millisecond, so that what never becomes whole is given up.
      storedAtMs: this.#sequence,
      pending: 0,
    });
  }

  async follow(
    after: number,
    onRecord: (record: LoggedRecord) => void | Promise<void>,
    onBad: (reason: string, sequence: number) => void,
  ): Promise<LogFollower> {
    const intake = new PushIntake({ after, onRecord, onBad, refusals: this.#refusals });
    this.#intake = intake;
    return {
      caughtUp: Promise.resolve(),
      safePosition: (held) => intake.safePosition(held),
      stop: async () => {
        if (this.#intake === intake) this.#intake = undefined;
      },
    };
  }

  async trimmed(): Promise<boolean> {
    return false;
  }

  async trim(): Promise<void> {}
}
