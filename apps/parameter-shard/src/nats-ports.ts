import { checkpointManifestSchema, objects } from '@downpour/contracts';
import { EventBus, JetStreamPushLog, KvPlanRepository, NatsSnapshotStore, ObjectStore } from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import type { ShardPorts } from './ports.ts';

/** The cluster, over NATS. */
export const natsPorts = (link: NatsLink): ShardPorts => {
  const store = new ObjectStore(link);
  const events = new EventBus(link);
  const plans = new KvPlanRepository(link);
  return {
    log: (jobId, shard) => new JetStreamPushLog(link, jobId, shard),
    snapshots: (jobId, shard) => new NatsSnapshotStore(store, jobId, shard),
    initialParameters: async (jobId) => (await store.getStream(objects.initialParameters(jobId))).stream,
    plan: async (jobId) => (await plans.get(jobId))?.value ?? null,
    checkpoint: async (jobId, number) => {
      const text = Buffer.from(await store.get(objects.checkpointManifest(jobId, number))).toString('utf8');
      const manifest = checkpointManifestSchema.parse(JSON.parse(text));
      const { stream: file } = await store.getStream(objects.checkpointModel(jobId, number));
      return { manifest, file };
    },
    report: (jobId, event) => events.report(jobId, event),
    publish: (jobId, event) => events.publish(jobId, event),
  };
};
