import { DownpourError } from '@downpour/contracts';
import type { ParameterShard } from '../parameter-shard.ts';
import type { SnapshotStore } from '../ports.ts';
import type { ShardIdentity } from '../shard-identity.ts';
import { KEPT_SNAPSHOTS } from './keep-snapshot.ts';
import { SnapshotError } from './snapshot-error.ts';
import { openSnapshot } from './snapshot.ts';

export interface RecoverOptions {
  store: SnapshotStore;
  /** As the job begins: from the initial parameters, or a checkpoint. */
  initialShard: () => Promise<ParameterShard>;
  /** A snapshot could not be used. */
  onDamaged?: (name: string, error: SnapshotError) => void;
}

export interface RecoveredShard {
  shard: ParameterShard;
  /** Replay begins after this log position. */
  position: number;
  /** Positions of snapshots that could not be used: for keepSnapshot. */
  damaged: Set<number>;
}

/** No state of the shard can be had any more: the job cannot go on. */
export class ShardLostError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'ShardLostError';
  }
}

/**
 * The shard from its newest whole snapshot, else as the job begins.
 * @throws ShardLostError when every snapshot is damaged and the log before them is gone, or the initial parameters do not fit.
 */
export const recoverShard = async (
  identity: ShardIdentity,
  { store, initialShard, onDamaged }: RecoverOptions,
): Promise<RecoveredShard> => {
  const stored = await store.list();
  const damaged = new Set<number>();
  for (const { name, position } of stored) {
    try {
      return { ...(await openSnapshot(await loadSnapshot(store, name), identity)), damaged };
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      damaged.add(position);
      onDamaged?.(name, error);
    }
  }
  // With fewer the log has never been trimmed: the whole fold can be done again.
  if (stored.length >= KEPT_SNAPSHOTS)
    throw new ShardLostError(
      `All ${stored.length} snapshots of shard ${identity.shard} are damaged, and the push log before them is gone. Submit the job again.`,
    );
  try {
    return { shard: await initialShard(), position: 0, damaged };
  } catch (cause) {
    if (cause instanceof DownpourError && cause.code === 'not-found')
      throw new ShardLostError(
        `Shard ${identity.shard} has no snapshot, and the initial parameters are gone: the object store was emptied. Submit the job again.`,
        { cause },
      );
    if (!(cause instanceof RangeError)) throw cause;
    throw new ShardLostError(`The initial parameters do not fit the plan: ${cause.message}. Submit the job again.`, {
      cause,
    });
  }
};

/** A store that finds an object corrupt says `internal`; everything else it may say is worth another try. */
const loadSnapshot = async (store: SnapshotStore, name: string): Promise<Uint8Array> => {
  try {
    return await store.load(name);
  } catch (cause) {
    if (cause instanceof DownpourError && cause.code === 'internal') throw new SnapshotError(cause.message, { cause });
    throw cause;
  }
};
