import type { PushHeader } from '@downpour/contracts';
import type { Tensor } from '@downpour/tensor';

/** One push as the log holds it. `sequence` is the log position of its last slice; `firstSequence` of its first. */
export interface LoggedPush {
  header: PushHeader;
  gradient: Tensor;
  sequence: number;
  firstSequence: number;
}

/** The durable, ordered record of pushes of one shard. */
export interface PushLog {
  /**
   * Calls `onPush` for every complete push after log position `after`, in order, one at a time, until `stop`. A record that cannot
   * be decoded goes to `onBad` and is skipped. `safePosition()` is the last position before any push still missing slices: replay from
   * there loses nothing.
   */
  follow(
    after: number,
    onPush: (push: LoggedPush) => void | Promise<void>,
    onBad: (reason: string, sequence: number) => void,
  ): Promise<{ safePosition(): number; stop(): Promise<void> }>;
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
