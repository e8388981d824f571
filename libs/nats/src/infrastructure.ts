import { buckets, streams, subjects } from '@downpour/contracts';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { nanos } from '@nats-io/nats-core';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { NatsConnection, pause } from './connection.ts';

/** A member whose key was not renewed for this long is gone. Heartbeats come every HEARTBEAT_MS. */
export const MEMBER_TTL_MS = 4_000;
export const HEARTBEAT_MS = 1_000;
/** A coordinator that did not renew its lease for this long has lost it. */
export const LEASE_TTL_MS = 4_000;
const EVENTS_MAX_BYTES = 256 * 1024 * 1024;
const EVENTS_MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const RETRY_MS = 500;
/** An evaluation nobody said "still at it" of for this long is given to another worker. */
export const EVALUATION_ACK_WAIT_MS = 10_000;

/** The cluster's shared buckets and streams. */
export interface Infrastructure {
  members: KV;
  jobs: KV;
  plans: KV;
  datasets: KV;
  lease: KV;
  objects: ObjectStore;
}

/**
 * Makes what is missing; many processes may call it at once. It retries while JetStream has no leader yet (a cluster that is coming up).
 */
export async function ensureInfrastructure(connection: NatsConnection, signal?: AbortSignal): Promise<Infrastructure> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await make(connection);
    } catch (error) {
      connection.log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'waiting for JetStream');
      await pause(RETRY_MS, signal);
    }
  }
}

async function make(connection: NatsConnection): Promise<Infrastructure> {
  const replicas = connection.options.replicas ?? 1;
  const kvm = new Kvm(connection.js);
  const bucket = (name: string, ttlMs?: number) =>
    kvm.create(name, {
      history: 1,
      replicas,
      storage: StorageType.File,
      // Markers tell watchers of keys that expired.
      ...(ttlMs === undefined ? {} : { ttl: ttlMs, markerTTL: 10_000 }),
    });
  await ensureStream(connection, {
    name: streams.events,
    subjects: [subjects.event('*')],
    max_age: nanos(EVENTS_MAX_AGE_MS),
    max_bytes: EVENTS_MAX_BYTES,
    num_replicas: replicas,
  });
  await ensureStream(connection, {
    name: streams.evaluations,
    subjects: [subjects.evaluate('*')],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
  });
  return {
    members: await bucket(buckets.members, MEMBER_TTL_MS),
    jobs: await bucket(buckets.jobs),
    plans: await bucket(buckets.plans),
    datasets: await bucket(buckets.datasets),
    lease: await bucket(buckets.lease, LEASE_TTL_MS),
    objects: await new Objm(connection.js).create(buckets.objects, { storage: StorageType.File, replicas }),
  };
}

/** Creates the stream unless one of that name is there; two that create it at once both succeed. */
export async function ensureStream(
  { jsm }: NatsConnection,
  config: Parameters<NatsConnection['jsm']['streams']['add']>[0],
): Promise<void> {
  try {
    await jsm.streams.add(config);
  } catch (error) {
    // Somebody made it a moment ago, or an earlier version with other limits: it serves.
    const there = await jsm.streams.info(config.name).catch(() => null);
    if (!there) throw error;
  }
}
