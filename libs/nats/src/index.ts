export { NatsCoordinatorPort } from './coordinator.port.ts';
export { ensureInfrastructure, LEASE_TTL_MS, MEMBER_TTL_MS } from './infrastructure.ts';
export { KvDatasetRepository } from './kv/dataset.repository.ts';
export { KvJobRepository } from './kv/job.repository.ts';
export { Lease } from './kv/lease.ts';
export { KvPlanRepository } from './kv/plan.repository.ts';
export { PlanWatcher } from './kv/plan-watcher.ts';
export { connectNats, connectService } from './link/connect.ts';
export { NatsLink } from './link/nats-link.ts';
export { releaseReceived } from './link/receive-slabs.ts';
export { Membership } from './members/membership.ts';
export { NatsModule, natsProviders } from './nats.module.ts';
export { NatsBlobSource } from './objects/blob.source.ts';
export { ObjectStore } from './objects/object-store.ts';
export { NatsSnapshotStore } from './objects/snapshot.store.ts';
export { NatsParameterClient } from './parameters/parameter-client.ts';
export { gatherParts, scatterBytes, shardLength } from './parameters/shard-ranges.ts';
export { ChunkQueue, ChunkQueues } from './streams/chunk-queues.ts';
export { EvaluationQueue } from './streams/evaluation-queue.ts';
export { EventBus } from './streams/event-bus.ts';
export { JetStreamPushLog } from './streams/push-log.ts';
export { PushPublisher } from './streams/push-publisher.ts';
export {
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
export { FrameHandler } from './transport/frame-handler.ts';
export { NatsStrategy } from './transport/nats.strategy.ts';
export { RequestClient } from './transport/request-client.ts';
export type { LeaseOptions } from './kv/lease.ts';
export type { PlanListener } from './kv/plan-watcher.ts';
export type { ConnectOptions } from './link/connect.ts';
export type { LinkStatus, ServerInfo } from './link/nats-link.ts';
export type { MemberChange, MembershipOptions, Standing } from './members/membership.ts';
export type { RefusalReason, Refusals, RefusalSource } from './refusals/refusals.ts';
export type { StoredObject } from './objects/object-store.ts';
export type { ParameterClientOptions } from './parameters/parameter-client.ts';
export type { PushPublisherOptions } from './streams/push-publisher.ts';
export type { HeldTask } from './streams/work-queue.ts';
export type { FrameHandlerMethod, FrameHandlerOptions } from './transport/frame-handler.ts';
export type { NatsStrategyOptions, RequestOutcome } from './transport/nats.strategy.ts';
export type { RequestOptions } from './transport/request-client.ts';
