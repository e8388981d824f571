import {
  checkpointManifestSchema,
  composeCheckpointReplySchema,
  DownpourError,
  enqueueEpochReplySchema,
  holdsReplySchema,
  ledgerReplySchema,
  objects,
  portionRequestSchema,
  prepareReplySchema,
  restoreVectorsReplySchema,
  streams,
  subjects,
  vectorOperationsReplySchema,
} from '@downpour/contracts';
import type {
  CheckpointManifest,
  ChunkPlan,
  ChunkTask,
  ComposeCheckpointRequest,
  EvaluateTask,
  JobEvent,
  LedgerReply,
  Member,
  MissingChunks,
  PortionReply,
  PortionRequest,
  PrepareReply,
  PrepareRequest,
  PushLogSpec,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  VectorOperationsReply,
  VectorOperationsRequest,
  ShardControl,
} from '@downpour/contracts';
import type { CoordinatorPort, ShardAccount } from '@downpour/jobs';
import { decodeFrame, encodeFrame } from '@downpour/tensor';
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { ensureStream } from './infrastructure.ts';
import type { NatsLink } from './link/nats-link.ts';
import type { Membership } from './members/membership.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { ChunkQueues } from './streams/chunk-queues.ts';
import type { EvaluationQueue } from './streams/evaluation-queue.ts';
import type { EventBus } from './streams/event-bus.ts';
import {
  isNoRoom,
  isReplicasUnsupported,
  isStreamNotFound,
  isWithoutPeers,
  messageOf,
} from './streams/jetstream-errors.ts';
import { PushPublisher } from './streams/push-publisher.ts';
import { ensureTakers } from './streams/takers.ts';
import type { RequestClient, RequestOptions } from './transport/request-client.ts';

export interface CoordinatorPortParts {
  link: NatsLink;
  requests: RequestClient;
  membership: Membership;
  events: EventBus;
  chunks: ChunkQueues;
  evaluations: EvaluationQueue;
  objects: ObjectStore;
}

/** Preparing builds a model, enqueueing reads no data: both say every second that they are still at it. */
const PREPARE_SILENCE_MS = 30_000;
const ENQUEUE_SILENCE_MS = 15_000;
/** No object takes so long to be written that nothing of it is stored meanwhile. */
const ORPHAN_MS = 600_000;
const LEDGER_SILENCE_MS = 3000;
const HOLDS_SILENCE_MS = 2000;
const VECTORS_SILENCE_MS = 5000;
const COMPOSE_SILENCE_MS = 10_000;
/** A log that is full for so long is tried again at the next look. */
const CONTROL_MS = 5000;
const PUSH_DEDUPE_MS = 120_000;
/** An epoch that is enqueued again after its coordinator was replaced must be recognised. */
const CHUNK_DEDUPE_MS = 3_600_000;
/**
 * The push log's limit is the back-pressure on pushers when shards fall behind; the server reserves it, so less is taken where it has less.
 */
const LOG_BYTES = { file: 4 * 2 ** 30, memory: 2 ** 30 } as const;
/** What JetStream calls no limit. */
const UNLIMITED = -1;
const LEAST_LOG_BYTES = 64 * 2 ** 20;

/** What the coordinator asks of the cluster, over NATS. */
export class NatsCoordinatorPort implements CoordinatorPort {
  readonly #parts: CoordinatorPortParts;
  #pushes: PushPublisher | null = null;

  constructor(parts: CoordinatorPortParts) {
    this.#parts = parts;
  }

  members(): Member[] {
    return this.#parts.membership.members();
  }

  async prepare(request: PrepareRequest): Promise<PrepareReply> {
    const options = { timeoutMs: PREPARE_SILENCE_MS, reply: prepareReplySchema };
    return (await this.#parts.requests.request(subjects.prepare, request, undefined, options)).header;
  }

  async createStreams(jobId: string, log: PushLogSpec & { keep?: boolean }): Promise<{ logBytes: number | null }> {
    // A queue is small, and never lost where it can be helped.
    const storage = log.storage === 'memory' ? StorageType.Memory : StorageType.File;
    let logBytes: number | null = null;
    if (log.storage !== 'none') {
      const config = {
        name: streams.pushLog(jobId),
        subjects: [subjects.pushAll(jobId)],
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        storage,
        num_replicas: log.replicas,
        duplicate_window: nanos(PUSH_DEDUPE_MS),
      };
      // A log that is kept grows with the job: a limit that nobody asked for would only bring it to a stop.
      const most = log.maxBytes ?? (log.keep === true ? UNLIMITED : LOG_BYTES[log.storage]);
      const given = await this.#createLog(config, most, log.maxBytes !== undefined);
      if (given !== UNLIMITED) logBytes = given;
    }
    const jsm = await jetstreamManager(this.#parts.link.nc, { checkAPI: false });
    await ensureStream(jsm, {
      name: streams.chunks(jobId),
      subjects: [subjects.chunk(jobId)],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage,
      num_replicas: log.replicas,
      duplicate_window: nanos(CHUNK_DEDUPE_MS),
    });
    await ensureTakers(jsm, streams.chunks(jobId), subjects.chunk(jobId));
    return { logBytes };
  }

  async removeStreams(jobId: string, keepLog = false): Promise<void> {
    const jsm = await jetstreamManager(this.#parts.link.nc, { checkAPI: false });
    for (const stream of [streams.chunks(jobId), ...(keepLog ? [] : [streams.pushLog(jobId)])]) {
      await jsm.streams.delete(stream).catch((error: unknown) => {
        if (!isStreamNotFound(error)) throw error;
      });
    }
    await this.#parts.evaluations.purge(jobId);
  }

  purgeChunks(jobId: string): Promise<void> {
    return this.#parts.chunks.open(jobId).purge();
  }

  async enqueueEpoch(jobId: string, epoch: number, _chunks: ChunkPlan): Promise<void> {
    await this.#parts.requests.request(subjects.enqueueEpoch, { type: 'enqueueEpoch', v: 1, jobId, epoch }, undefined, {
      timeoutMs: ENQUEUE_SILENCE_MS,
      reply: enqueueEpochReplySchema,
    });
  }

  giveOutAgain(jobId: string, missing: MissingChunks): Promise<void> {
    const tasks = missing.flatMap(({ epoch, chunks }) =>
      chunks.map((chunk): ChunkTask => ({ type: 'chunk', v: 1, jobId, epoch, chunk, again: true })),
    );
    return this.#parts.chunks.open(jobId).enqueueAgain(tasks);
  }

  async publishControl(jobId: string, shard: number, control: ShardControl): Promise<void> {
    this.#pushes ??= new PushPublisher(this.#parts.link);
    const header = { type: 'control', v: 1, jobId, shard, control } as const;
    await this.#pushes.publish(header, { bytes: 0, tensors: () => ({}) }, AbortSignal.timeout(CONTROL_MS));
  }

  pendingChunks(jobId: string): Promise<number> {
    return this.#parts.chunks.open(jobId).pending();
  }

  enqueueEvaluation(task: EvaluateTask): Promise<void> {
    return this.#parts.evaluations.enqueue(task);
  }

  async ledger(instance: string, jobId: string, shard: number, missingBelow?: number): Promise<ShardAccount> {
    const request = { type: 'ledger', v: 1, jobId, shard, missingBelow };
    const options: RequestOptions<LedgerReply> = {
      timeoutMs: LEDGER_SILENCE_MS,
      reply: ledgerReplySchema,
      check: ({ header: { ledger } }) => {
        if (ledger.shard !== shard)
          throw new DownpourError('internal', `${instance} was asked for shard ${shard} and told of ${ledger.shard}`);
      },
    };
    const { header } = await this.#parts.requests.request(subjects.ledger(instance), request, undefined, options);
    return { ledger: header.ledger, complete: header.complete, missing: header.missing ?? [] };
  }

  async holds(instance: string, jobId: string): Promise<boolean> {
    const options = { timeoutMs: HOLDS_SILENCE_MS, reply: holdsReplySchema };
    const request = { type: 'holds', v: 1, jobId };
    return (await this.#parts.requests.request(subjects.holds(instance), request, undefined, options)).header.holds;
  }

  async operateVectors(instance: string, request: VectorOperationsRequest): Promise<VectorOperationsReply> {
    const options = { timeoutMs: VECTORS_SILENCE_MS, reply: vectorOperationsReplySchema };
    const subject = subjects.vectorOperations(instance);
    return (await this.#parts.requests.request(subject, request, undefined, options)).header;
  }

  async restoreVectors(instance: string, request: RestoreVectorsRequest): Promise<RestoreVectorsReply> {
    const options = { timeoutMs: VECTORS_SILENCE_MS, reply: restoreVectorsReplySchema };
    const subject = subjects.restoreVectors(instance);
    return (await this.#parts.requests.request(subject, request, undefined, options)).header;
  }

  servePortions(jobId: string, answer: (request: PortionRequest) => Promise<PortionReply>): () => void {
    const subscription = this.#parts.link.nc.subscribe(subjects.portion(jobId), {
      callback: (error, message) => {
        if (error !== null) return;
        const parsed = portionRequestSchema.safeParse(headerOf(message.data));
        if (!parsed.success) return;
        void answer(parsed.data).then(
          (reply) => message.respond(encodeFrame(reply)),
          () => undefined,
        );
      },
    });
    return () => subscription.unsubscribe();
  }

  async composeCheckpoint(request: ComposeCheckpointRequest): Promise<CheckpointManifest> {
    const options = { timeoutMs: COMPOSE_SILENCE_MS, reply: composeCheckpointReplySchema };
    return (await this.#parts.requests.request(subjects.composeCheckpoint, request, undefined, options)).header
      .manifest;
  }

  async checkpointManifest(jobId: string, checkpoint: number): Promise<CheckpointManifest> {
    const bytes = await this.#parts.objects.get(objects.checkpointManifest(jobId, checkpoint));
    return checkpointManifestSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  }

  async storeObject(name: string, bytes: Uint8Array): Promise<void> {
    await this.#parts.objects.put(name, bytes);
  }

  publishEvent(jobId: string, event: JobEvent): Promise<void> {
    return this.#parts.events.publish(jobId, event);
  }

  async removeObjects(prefix: string): Promise<void> {
    await this.#parts.objects.removeAll(prefix);
    // Shards that were killed while they stored a snapshot have left parts of it.
    await this.#parts.objects.removeOrphans(ORPHAN_MS);
  }

  /** Bytes that the log has then. `exactly`: the user has said how many; else as many as there is room for. */
  async #createLog(
    config: Partial<StreamConfig> & { name: string },
    maxBytes: number,
    exactly: boolean,
  ): Promise<number> {
    const jsm = await jetstreamManager(this.#parts.link.nc, { checkAPI: false });
    try {
      await ensureStream(jsm, { ...config, max_bytes: maxBytes });
      return (await jsm.streams.info(config.name)).config.max_bytes;
    } catch (error) {
      const less = !exactly && maxBytes / 2 >= LEAST_LOG_BYTES;
      if (isNoRoom(error) && less) return this.#createLog(config, maxBytes / 2, exactly);
      throw logRefusal(error, config.num_replicas ?? 1, exactly ? maxBytes : null);
    }
  }
}

/** What to do about a log that NATS will not make. */
const logRefusal = (cause: unknown, replicas: number, maxBytes: number | null): DownpourError => {
  if (isReplicasUnsupported(cause))
    return new DownpourError(
      'invalid-request',
      `log.replicas ${replicas} needs as many NATS servers, and there is one: take 1, or run a NATS cluster`,
      { field: 'log.replicas', cause },
    );
  if (isWithoutPeers(cause))
    return new DownpourError(
      'unavailable',
      `NATS has not got ${replicas} servers with room for the push log (log.replicas): "${messageOf(cause)}"`,
      { cause },
    );
  if (isNoRoom(cause) && maxBytes !== null)
    return new DownpourError(
      'unavailable',
      `NATS has no room for a push log of log.maxBytes ${maxBytes}: end other jobs, raise its max_file_store or max_memory_store, or ask for less`,
      { cause },
    );
  return new DownpourError('unavailable', `NATS cannot keep the push log of the job: ${messageOf(cause)}`, { cause });
};

/** Nothing that can be read is answered by nothing. */
const headerOf = (bytes: Uint8Array): unknown => {
  try {
    return decodeFrame(bytes).header;
  } catch {
    return null;
  }
};
