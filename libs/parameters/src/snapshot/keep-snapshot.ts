import type { ParameterShard } from '../parameter-shard.ts';
import type { PushLog, SnapshotStore } from '../ports.ts';
import { encodeSnapshot, sealSnapshot } from './snapshot.ts';

/** The newest, and one to fall back on should it turn out damaged. */
export const KEPT_SNAPSHOTS = 2;

/**
 * Stores a snapshot of the shard as it is at the call, forgets all but the last two, and trims the log behind the older of these: both can be
 * recovered from. The log stays whole until there are two. Positions that recovery found `damaged` do not count among the two.
 * With `twice` it is stored as two, the second under the position before: the log can be trimmed up to it at once, and there is still one to fall back on.
 * `isOwner` is asked before each step that others see: whoever has been replaced meanwhile leaves store and log alone.
 * @returns whether the snapshot was stored
 */
export const keepSnapshot = async (
  shard: ParameterShard,
  position: number,
  store: SnapshotStore,
  log: PushLog,
  damaged: Set<number> = new Set(),
  isOwner: () => boolean = () => true,
  twice = false,
): Promise<boolean> => {
  const bytes = await sealSnapshot(encodeSnapshot(shard, position));
  if (!isOwner()) return false;
  const positions = twice && position > 0 ? [position - 1, position] : [position];
  for (const name of positions) {
    await store.save(name, bytes);
    damaged.delete(name);
  }
  // The store is asked, not memory: another owner may have stored some meanwhile.
  const stored = await store.list();
  const kept = stored.filter((snapshot) => !damaged.has(snapshot.position)).slice(0, KEPT_SNAPSHOTS);
  if (kept.length < KEPT_SNAPSHOTS) return true;
  if (isOwner()) await log.trim(kept.at(-1)!.position);
  for (const snapshot of stored) if (!kept.includes(snapshot) && isOwner()) await store.remove(snapshot.name);
  return true;
};
