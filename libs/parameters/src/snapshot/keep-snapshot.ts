import type { ParameterShard } from '../parameter-shard.ts';
import type { PushLog, SnapshotStore } from '../ports.ts';
import { encodeSnapshot, sealSnapshot } from './snapshot.ts';

/** The newest, and one to fall back on should it turn out damaged. */
export const KEPT_SNAPSHOTS = 2;

/**
 * Stores a snapshot of the shard as it is at the call, forgets all but the last two, and trims the log behind the older of these: both can be
 * recovered from. The log stays whole until there are two.
 * @returns bytes of the snapshot
 */
export const keepSnapshot = async (
  shard: ParameterShard,
  position: number,
  store: SnapshotStore,
  log: PushLog,
): Promise<number> => {
  const bytes = await sealSnapshot(encodeSnapshot(shard, position));
  await store.save(position, bytes);
  // The store is asked, not memory: another owner may have stored some meanwhile.
  const stored = await store.list();
  const oldestKept = stored[KEPT_SNAPSHOTS - 1];
  if (oldestKept !== undefined) await log.trim(oldestKept.position);
  for (const { name } of stored.slice(KEPT_SNAPSHOTS)) await store.remove(name);
  return bytes.byteLength;
};
