import type { JobPlan, PlanOrigin } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type {
  LogFollower,
  LoggedRecord,
  PushLog,
  RecoveredShard,
  ShardIdentity,
  SnapshotStore,
} from '@downpour/parameters';
import {
  initialFromCheckpoint,
  isPush,
  ownOfVector,
  ParameterShard,
  recoverShard,
  ShardLostError,
} from '@downpour/parameters';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ShardPorts } from './ports.ts';
import type { ProblemReporter } from './problem-reporter.ts';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 3000;

export interface ShardLoadingParts {
  plan: JobPlan;
  identity: ShardIdentity;
  /** Instead of the log in NATS, where the job has none. */
  unlogged: PushLog | null;
  ports: ShardPorts;
  problems: ProblemReporter;
  /** The shard was let go of. */
  signal: AbortSignal;
  /** An attempt has begun: pushes after `position` of the log follow. */
  onRecovered: (recovered: RecoveredShard) => void;
  /** Who follows the log from here on; null: nobody, that attempt is over. */
  onFollower: (follower: LogFollower | null) => void;
  /** The next record of the log. */
  take: (shard: ParameterShard, record: LoggedRecord) => void | Promise<void>;
  /** A push could not be taken: there is nothing to load any more. */
  hasFailed: () => boolean;
}

/** A shard that has caught up with its log, and goes on following it. */
export interface LoadedShard extends RecoveredShard {
  follower: LogFollower;
  log: PushLog;
  store: SnapshotStore;
  /** Versions that the log has added to what was recovered. */
  replayed: number;
  ms: number;
}

/**
 * The newest whole snapshot, else the initial parameters or the checkpoint that the job begins from; then the push log from there to its
 * end. Tried again for as long as it takes. Null: nobody wants it any more.
 * @throws ShardLostError when no state can be had that the log leads to.
 */
export const loadShard = async (parts: ShardLoadingParts): Promise<LoadedShard | null> => {
  const { identity, problems, signal, hasFailed } = parts;
  for (let pauseMs = FIRST_RETRY_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_RETRY_MS)) {
    let follower: LogFollower | null = null;
    const end = async (): Promise<void> => {
      await follower?.stop();
      parts.onFollower(null);
    };
    try {
      const loaded = await loadOnce(parts, (begun) => parts.onFollower((follower = begun)));
      if (loaded !== null || hasFailed()) return loaded;
      await end();
    } catch (error) {
      await end();
      if (signal.aborted) return null;
      if (error instanceof ShardLostError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      problems.tell('shard-loading', `Shard ${identity.shard} cannot be loaded yet: ${why}`);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return null;
};

/** Null: it has failed, or is to be done again at once, as there is something newer to begin with. */
const loadOnce = async (
  parts: ShardLoadingParts,
  onFollower: (follower: LogFollower) => void,
): Promise<LoadedShard | null> => {
  const { plan, identity, unlogged, ports, problems, signal } = parts;
  const { jobId, shard } = identity;
  const began = performance.now();
  const kept = ports.log(jobId, shard);
  const log = unlogged ?? (plan.spec.keepLog ? untrimmed(kept) : kept);
  const store = ports.snapshots(jobId, shard);
  const { origin } = plan;
  const recovered = await recoverShard(identity, {
    store,
    initialShard: async () =>
      origin === undefined
        ? ParameterShard.begin(identity, await ownOfVector(identity, await ports.initialParameters(jobId)))
        : beginFrom(origin, identity, ports),
    onDamaged: (name, error) => problems.tell('damaged-snapshot', `${name}: ${error.message}`),
  });
  signal.throwIfAborted();
  parts.onRecovered(recovered);
  const from = recovered.shard.version;
  const onBad = (reason: string, sequence: number) =>
    problems.tell('bad-record', `Record ${sequence} of shard ${shard}'s push log was skipped: ${reason}`);
  // The log is trimmed behind the second newest snapshot: what is older leads nowhere.
  const partial = (recovered.position === 0 || recovered.damaged.size > 1) && (await log.trimmed());
  let gap: boolean | undefined;
  const take = (record: LoggedRecord): void | Promise<void> => {
    // No push is computed on a version that the pushes before it in the log do not lead to.
    if (isPush(record)) gap ??= partial && record.header.version > from;
    return gap === true ? undefined : parts.take(recovered.shard, record);
  };
  const follower = await log.follow(recovered.position, take, onBad);
  onFollower(follower);
  signal.throwIfAborted();
  await Promise.race([follower.caughtUp, aborted(signal)]);
  signal.throwIfAborted();
  if (parts.hasFailed()) return null;
  // An owner before us may have stored a snapshot, and have had the log trimmed under our replay, by a request that was on its way.
  const stored = await store.list();
  signal.throwIfAborted();
  if (stored.some(({ position }) => position > recovered.position && !recovered.damaged.has(position))) return null;
  if (gap)
    throw new ShardLostError(
      `Shard ${shard} has lost the snapshots that its push log was trimmed behind: the log begins after version ${from}, where a replay must. Submit the job again.`,
    );
  const replayed = recovered.shard.version - from;
  return { ...recovered, follower, log, store, replayed, ms: performance.now() - began };
};

/** As the checkpoint has it that the job begins from. */
const beginFrom = async (origin: PlanOrigin, identity: ShardIdentity, ports: ShardPorts): Promise<ParameterShard> => {
  const { job, checkpoint } = origin;
  try {
    const { manifest, file } = await ports.checkpoint(job, checkpoint);
    return await initialFromCheckpoint(identity, origin, manifest, file);
  } catch (cause) {
    const gone = cause instanceof DownpourError && (cause.code === 'not-found' || cause.code === 'internal');
    if (!gone) throw cause;
    throw new ShardLostError(`Checkpoint ${checkpoint} of job ${job} cannot be read: ${cause.message}`, { cause });
  }
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** A log that is to be kept is not trimmed behind snapshots. */
const untrimmed = (log: PushLog): PushLog => ({
  follow: (...given) => log.follow(...given),
  trimmed: () => log.trimmed(),
  trim: () => Promise.resolve(),
});
