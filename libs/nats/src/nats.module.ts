import { LOG, SHUTDOWN } from '@downpour/platform';
import type { Logger, ShutdownHooks } from '@downpour/platform';
import { Inject, Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, Provider } from '@nestjs/common';
import { NatsCoordinatorPort } from './coordinator.port.ts';
import { KvDatasetRepository } from './kv/dataset.repository.ts';
import { KvJobRepository } from './kv/job.repository.ts';
import { KvPlanRepository } from './kv/plan.repository.ts';
import { PlanWatcher } from './kv/plan-watcher.ts';
import type { NatsLink } from './link/nats-link.ts';
import { Membership } from './members/membership.ts';
import { NatsBlobSource } from './objects/blob.source.ts';
import { ObjectStore } from './objects/object-store.ts';
import { ChunkQueues } from './streams/chunk-queues.ts';
import { EvaluationQueue } from './streams/evaluation-queue.ts';
import { EventBus } from './streams/event-bus.ts';
import { PushPublisher } from './streams/push-publisher.ts';
import {
  BLOB_SOURCE,
  CHUNK_QUEUES,
  COORDINATOR_PORT,
  DATASET_REPOSITORY,
  EVALUATION_QUEUE,
  EVENT_BUS,
  JOB_REPOSITORY,
  MEMBERSHIP,
  NATS_LINK,
  OBJECT_STORE,
  PLAN_REPOSITORY,
  PLAN_WATCHER,
  PUSH_PUBLISHER,
  REQUEST_CLIENT,
} from './tokens.ts';
import { RequestClient } from './transport/request-client.ts';

/** Everything that services share over NATS, provided everywhere by the tokens of tokens.ts. */
@Module({})
export class NatsModule implements OnApplicationShutdown {
  constructor(
    @Inject(REQUEST_CLIENT) private readonly requests: RequestClient,
    @Inject(MEMBERSHIP) private readonly membership: Membership,
    @Inject(PLAN_WATCHER) private readonly plans: PlanWatcher,
  ) {}

  /** `link`: from connectService, so that buckets and streams exist. */
  static forRoot(link: NatsLink): DynamicModule {
    const providers = natsProviders(link);
    return { module: NatsModule, global: true, providers, exports: providers.map(tokenOf) };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.membership.stop();
    await this.plans.stop();
    this.requests.close();
  }
}

const tokenOf = (provider: Provider): symbol => (provider as { provide: symbol }).provide;

/** Providers of every token. */
export const natsProviders = (link: NatsLink): Provider[] => [
  { provide: NATS_LINK, useValue: link },
  { provide: REQUEST_CLIENT, useFactory: () => new RequestClient(link) },
  {
    provide: MEMBERSHIP,
    inject: [{ token: SHUTDOWN, optional: true }],
    useFactory: async (shutdown?: ShutdownHooks) => {
      const membership = await Membership.start(link);
      shutdown?.register('leave', 'membership', () => membership.leave());
      return membership;
    },
  },
  { provide: JOB_REPOSITORY, useFactory: () => new KvJobRepository(link) },
  { provide: PLAN_REPOSITORY, useFactory: () => new KvPlanRepository(link) },
  {
    provide: PLAN_WATCHER,
    inject: [{ token: LOG, optional: true }],
    useFactory: (log?: Logger) => PlanWatcher.start(link, log),
  },
  { provide: DATASET_REPOSITORY, useFactory: () => new KvDatasetRepository(link) },
  { provide: EVENT_BUS, useFactory: () => new EventBus(link) },
  { provide: OBJECT_STORE, useFactory: () => new ObjectStore(link) },
  { provide: BLOB_SOURCE, inject: [OBJECT_STORE], useFactory: (store: ObjectStore) => new NatsBlobSource(store) },
  { provide: PUSH_PUBLISHER, useFactory: () => new PushPublisher(link) },
  { provide: CHUNK_QUEUES, useFactory: () => new ChunkQueues(link) },
  { provide: EVALUATION_QUEUE, useFactory: () => new EvaluationQueue(link) },
  {
    provide: COORDINATOR_PORT,
    inject: [REQUEST_CLIENT, MEMBERSHIP, EVENT_BUS, CHUNK_QUEUES, EVALUATION_QUEUE, OBJECT_STORE],
    useFactory: (
      requests: RequestClient,
      membership: Membership,
      events: EventBus,
      chunks: ChunkQueues,
      evaluations: EvaluationQueue,
      objects: ObjectStore,
    ) => new NatsCoordinatorPort({ link, requests, membership, events, chunks, evaluations, objects }),
  },
];
