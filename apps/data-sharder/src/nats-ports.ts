import { ChunkQueues, KvDatasetRepository, KvPlanRepository, NatsBlobSource, ObjectStore } from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import type { SharderPorts } from './ports.ts';

/** The cluster, over NATS. */
export const natsPorts = (link: NatsLink): SharderPorts => {
  const plans = new KvPlanRepository(link);
  const datasets = new KvDatasetRepository(link);
  const queues = new ChunkQueues(link);
  return {
    blobs: new NatsBlobSource(new ObjectStore(link)),
    plans: { plan: async (jobId) => (await plans.get(jobId))?.value ?? null },
    records: { record: (datasetId) => datasets.get(datasetId) },
    queue: {
      enqueue: async (jobId, tasks) => {
        const queue = queues.open(jobId);
        try {
          await queue.enqueue(tasks);
        } finally {
          await queue.close();
        }
      },
    },
  };
};
