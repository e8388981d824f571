import { inspectDatasetReplySchema, subjects } from '@downpour/contracts';
import type { InspectDatasetRequest } from '@downpour/contracts';
import {
  ChunkQueues,
  EvaluationQueue,
  EventBus,
  KvDatasetRepository,
  KvJobRepository,
  KvPlanRepository,
  Lease,
  NatsCoordinatorPort,
  ObjectStore,
  RequestClient,
} from '@downpour/nats';
import type { Membership, NatsLink } from '@downpour/nats';
import type { GatewayPorts } from './ports.ts';

/** Longest silence of a sharder that reads an upload; it says each second that it is still at it. */
const INSPECT_SILENCE_MS = 15_000;
/** One coordinator for the whole cluster. */
const LEASE_KEY = 'coordinator';

/** The cluster, over NATS. */
export function natsPorts(link: NatsLink, membership: Membership, instance: string): GatewayPorts {
  const events = new EventBus(link);
  const requests = new RequestClient(link);
  const objects = new ObjectStore(link);
  return {
    jobs: new KvJobRepository(link),
    plans: new KvPlanRepository(link),
    events,
    coordinator: new NatsCoordinatorPort({
      link,
      requests,
      membership,
      events,
      chunks: new ChunkQueues(link),
      evaluations: new EvaluationQueue(link),
      objects,
    }),
    datasets: new KvDatasetRepository(link),
    blobs: objects,
    inspector: {
      inspect: async (datasetId, spec, files) => {
        const source = { kind: 'uploaded', spec, files } as const;
        const request: InspectDatasetRequest = { type: 'inspectDataset', v: 1, datasetId, source };
        const options = { timeoutMs: INSPECT_SILENCE_MS, reply: inspectDatasetReplySchema };
        return (await requests.request(subjects.inspectDataset, request, undefined, options)).header.summary;
      },
    },
    cluster: {
      members: () => membership.members(),
      onChange: (listener) => membership.onChange(listener),
      nats: () => link.serverInfo(),
    },
    lease: ({ gained, lost }) => Lease.start(link, { key: LEASE_KEY, instance, onGained: gained, onLost: lost }),
  };
}
