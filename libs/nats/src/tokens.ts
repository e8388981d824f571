/*
 * What NatsModule provides everywhere. Inject by token, type by the port or class named beside it.
 */
/** NatsLink */
export const NATS_LINK = Symbol('NATS_LINK');
/** RequestClient */
export const REQUEST_CLIENT = Symbol('REQUEST_CLIENT');
/** Membership */
export const MEMBERSHIP = Symbol('MEMBERSHIP');
/** JobRepository */
export const JOB_REPOSITORY = Symbol('JOB_REPOSITORY');
/** PlanRepository */
export const PLAN_REPOSITORY = Symbol('PLAN_REPOSITORY');
/** PlanWatcher */
export const PLAN_WATCHER = Symbol('PLAN_WATCHER');
/** KvDatasetRepository, a DatasetLookup */
export const DATASET_REPOSITORY = Symbol('DATASET_REPOSITORY');
/** CoordinatorPort */
export const COORDINATOR_PORT = Symbol('COORDINATOR_PORT');
/** EventBus, an EventSource */
export const EVENT_BUS = Symbol('EVENT_BUS');
/** ObjectStore */
export const OBJECT_STORE = Symbol('OBJECT_STORE');
/** BlobSource */
export const BLOB_SOURCE = Symbol('BLOB_SOURCE');
/** PushPublisher */
export const PUSH_PUBLISHER = Symbol('PUSH_PUBLISHER');
/** ChunkQueues */
export const CHUNK_QUEUES = Symbol('CHUNK_QUEUES');
/** EvaluationQueue */
export const EVALUATION_QUEUE = Symbol('EVALUATION_QUEUE');
