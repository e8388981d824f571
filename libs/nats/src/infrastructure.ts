import { buckets, streams, subjects } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import { nanos } from '@nats-io/nats-core';
import { isStreamExists, messageOf } from './streams/jetstream-errors.ts';
import { ensureTakers } from './streams/takers.ts';
import type { NatsLink } from './link/nats-link.ts';
import { pause } from './link/pause.ts';

export interface InfrastructureOptions {
  log?: Logger;
  signal?: AbortSignal;
  /** Copies of every bucket and stream. @default 3 in a NATS cluster, else 1 */
  replicas?: 1 | 3 | 5;
}

/** A member that has not been heard of for so long is gone. */
export const MEMBER_TTL_MS = 4000;
/** A coordinator that has not renewed its lease for so long has lost it. */
export const LEASE_TTL_MS = 5000;
const EVENTS_MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000;
const EVENTS_MAX_BYTES = 256 * 2 ** 20;
const DEDUPE_WINDOW_MS = 120_000;
const RETRY_MS = 500;
const TELL_EVERY_MS = 5000;

/**
 * Makes the buckets and streams that every service needs, unless they exist. Many services may do so at once. Waits for JetStream as long
 * as it takes. @throws the signal's reason
 */
export const ensureInfrastructure = async (link: NatsLink, options: InfrastructureOptions = {}): Promise<void> => {
  const { log, signal, replicas = link.clustered ? 3 : 1 } = options;
  let told = -Infinity;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const jsm = await jetstreamManager(link.nc, { timeout: 5000 });
      for (const config of streamConfigs(replicas)) await ensureStream(jsm, config);
      await ensureTakers(jsm, streams.evaluations, subjects.evaluate('*'));
      await new Objm(link.nc).create(buckets.objects, { storage: StorageType.File, replicas });
      return;
    } catch (error) {
      if (link.closed) throw error;
      if (performance.now() - told >= TELL_EVERY_MS) {
        told = performance.now();
        log?.warn({ reason: messageOf(error) }, 'waiting for JetStream: is it enabled on the NATS server?');
      }
      await pause(RETRY_MS, signal);
    }
  }
};

/** Creates a stream unless there is one of that name. */
export const ensureStream = async (
  jsm: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> => {
  try {
    await jsm.streams.add(config);
  } catch (error) {
    // Somebody was faster, or an older version made it with other settings: both are fine to use.
    if (!isStreamExists(error)) throw error;
  }
};

const streamConfigs = (replicas: number): (Partial<StreamConfig> & { name: string })[] => [
  ...[buckets.jobs, buckets.plans, buckets.datasets].map((bucket) => bucketConfig(bucket, replicas)),
  bucketConfig(buckets.members, replicas, MEMBER_TTL_MS),
  bucketConfig(buckets.lease, replicas, LEASE_TTL_MS),
  {
    name: streams.events,
    subjects: [subjects.event('>')],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    num_replicas: replicas,
    max_age: nanos(EVENTS_MAX_AGE_MS),
    max_bytes: EVENTS_MAX_BYTES,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
  },
  {
    name: streams.evaluations,
    subjects: [subjects.evaluate('*')],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    num_replicas: replicas,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
  },
];

/** The stream that `@nats-io/kv` makes for a bucket, with a TTL where given. */
const bucketConfig = (bucket: string, replicas: number, ttlMs = 0): Partial<StreamConfig> & { name: string } => ({
  name: `KV_${bucket}`,
  subjects: [`$KV.${bucket}.>`],
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  storage: StorageType.File,
  num_replicas: replicas,
  max_msgs_per_subject: 1,
  max_age: nanos(ttlMs),
  allow_rollup_hdrs: true,
  deny_delete: true,
  allow_direct: false,
  duplicate_window: nanos(ttlMs === 0 ? DEDUPE_WINDOW_MS : Math.min(ttlMs, DEDUPE_WINDOW_MS)),
});
