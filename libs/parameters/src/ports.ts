import type { ControlHeader, PushHeader } from '@downpour/contracts';
import type { Tensor } from '@downpour/tensor';

/** One push as the log holds it. `sequence` is the log position of its last slice; `firstSequence` of its first. */
export interface LoggedPush {
  header: PushHeader;
  /** [values of the shard], in any of contracts' gradient encodings. */
  gradient: Tensor;
  /** int8 only: float32 [ceil(values / 256)]. */
  scales?: Tensor;
  sequence: number;
  firstSequence: number;
}

/** A change of how the pushes after it are folded. */
export interface LoggedControl {
  header: ControlHeader;
  sequence: number;
  firstSequence: number;
}

export type LoggedRecord = LoggedPush | LoggedControl;

export const isPush = (record: LoggedRecord): record is LoggedPush => record.header.type === 'push';

/** A follower of a push log. */
export interface LogFollower {
  /** Resolves once everything that was in the log when following began has been handed over: from then on the fold is up to date. */
  caughtUp: Promise<void>;
  /** The last position before any push that still misses slices, is being handed over, or begins at or after `held`: replay from there loses nothing. */
  safePosition(held?: number): number;
  /** Hands nothing over any more; waits for the push in hand. */
  stop(): Promise<void>;
}

/** The durable, ordered record of pushes of one shard. */
export interface PushLog {
  /**
   * Calls `onRecord` for every complete push, and every other record, after log position `after`, in order, one at a time, until `stop`. One that cannot
   * be decoded goes to `onBad` and is skipped.
   */
  follow(
    after: number,
    onRecord: (record: LoggedRecord) => void | Promise<void>,
    onBad: (reason: string, sequence: number) => void,
  ): Promise<LogFollower>;
  /** Whether records have been forgotten, be it of another shard of the job. */
  trimmed(): Promise<boolean>;
  /** Forget records at or before `position`: a snapshot holds them. */
  trim(position: number): Promise<void>;
}

/** Where snapshots of one shard are kept, newest first. */
export interface SnapshotStore {
  save(position: number, bytes: Uint8Array): Promise<void>;
  /** Newest first; a caller that finds one corrupt takes the next. */
  list(): Promise<{ position: number; name: string }[]>;
  load(name: string): Promise<Uint8Array>;
  remove(name: string): Promise<void>;
}
