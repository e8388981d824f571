import type {
  ChunkTask,
  CrossingRequest,
  ExamplesReply,
  ExamplesRequest,
  GroupWorkReply,
  GroupWorkRequest,
  JobEvent,
  JobPlan,
  ParameterLayout,
  PrepareReply,
  PrepareRequest,
} from '@downpour/contracts';
import {
  crossingReplySchema,
  DownpourError,
  examplesReplySchema,
  groupWorkReplySchema,
  objects,
  subjects,
} from '@downpour/contracts';
import type { Engine } from '@downpour/engine';
import { ExamplesMemory } from '@downpour/engine';
import type { ChunkQueues, EventBus, ObjectStore, PlanWatcher, PushPublisher, RequestClient } from '@downpour/nats';
import { NatsParameterClient, releaseReceived } from '@downpour/nats';
import type { Logger } from '@downpour/platform';
import type { TensorFrame } from '@downpour/tensor';
import { asFloat32, asInt32, asUint8, requireTensor } from '@downpour/tensor';
import type { Examples, PartitionCompute } from '@downpour/training';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkExamples } from './examples-reply.ts';
import { crossesShort, sentValues } from './group/crossing-values.ts';
import { PaddedPartition } from './group/padded-partition.ts';
import { vectorOfWeights } from './initial-weights.ts';
import { PaddedReplica } from './padded-replica.ts';
import { PortionQueue } from './portion-queue.ts';
import type { TaskQueue, WorkerVerbs } from './ports.ts';
import { ViewedPlans, type PlanView } from './viewed-plans.ts';
import { bytesOf } from './whole-parameters.ts';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 3000;
/** A member of a group that has not heard of the work yet will in a moment. */
const MEMBER_RETRY_MS = 5;
const MAX_MEMBER_RETRY_MS = 500;
/** A request without an answer for so long is sent again; a sharder that is loading the data set says so every second. */
const EXAMPLES_SILENCE_MS = 10_000;
/** Shorter than the coordinator takes such news for old (libs/jobs, job-tracker.ts). */
const WAITING_TOLD_EVERY_MS = 5000;
/** Codes that say "not now". */
const PASSING = new Set(['unavailable', 'timeout', 'loading', 'internal']);

export interface NatsVerbsParts {
  instance: string;
  engine: Engine;
  requests: RequestClient;
  chunks: ChunkQueues;
  plans: PlanWatcher;
  publisher: PushPublisher;
  events: EventBus;
  store: ObjectStore;
  outstandingPushes: number;
  /** 0: steps take as long as they take. */
  stepPaddingMs: number;
  log: Logger;
}

/** The worker's verbs over NATS and TensorFlow. */
export class NatsVerbs implements WorkerVerbs {
  readonly #parts: NatsVerbsParts;
  readonly #memory = new ExamplesMemory();
  readonly #waitingToldMs = new Map<string, number>();

  constructor(parts: NatsVerbsParts) {
    this.#parts = parts;
    parts.publisher.onWaiting((jobId, why) => this.#tellWaiting(jobId, why));
  }

  async openChunks(jobId: string, plan: JobPlan): Promise<TaskQueue<ChunkTask>> {
    const { requests, instance } = this.#parts;
    if (plan.spec.strategy.kind === 'sandblaster') return new PortionQueue(requests, jobId, instance);
    return this.#parts.chunks.open(jobId);
  }

  async openParameters(plan: JobPlan, view?: PlanView) {
    const { requests, publisher, plans, instance, outstandingPushes: window } = this.#parts;
    const seen = view ? { plans: new ViewedPlans(plans, view), plan: view(plan) } : { plans, plan };
    return new NatsParameterClient({ requests, publisher, ...seen, instance, window });
  }

  async openPartition(plan: JobPlan, partition: number): Promise<PartitionCompute> {
    const { engine, stepPaddingMs } = this.#parts;
    const compute = await engine.partition({ ...plan, cut: plan.cut! }, partition, {
      onFallback: this.#tellFallback(plan),
    });
    return stepPaddingMs > 0 ? new PaddedPartition(compute, plan.cut!, stepPaddingMs) : compute;
  }

  askMember(instance: string, request: GroupWorkRequest, signal: AbortSignal): Promise<GroupWorkReply> {
    return this.#untilAnswered(signal, async () => {
      const options = { signal, reply: groupWorkReplySchema };
      const { header } = await this.#parts.requests.request(subjects.groupWork(instance), request, undefined, options);
      return header;
    });
  }

  sendCrossing(instance: string, header: CrossingRequest, values: Float32Array, signal: AbortSignal): Promise<void> {
    const { requests, plans } = this.#parts;
    const encoding = plans.current(header.jobId)?.spec.encoding;
    const tensors = sentValues(values, encoding !== undefined && crossesShort(encoding));
    return this.#untilAnswered(signal, async () => {
      const options = { signal, reply: crossingReplySchema, slices: true };
      await requests.request(subjects.crossing(instance), header, tensors, options);
    });
  }

  /** A member that is away comes back, or the group changes, which aborts the signal. */
  async #untilAnswered<Answer>(signal: AbortSignal, ask: () => Promise<Answer>): Promise<Answer> {
    for (let pauseMs = MEMBER_RETRY_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_MEMBER_RETRY_MS)) {
      try {
        return await ask();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof DownpourError) || !PASSING.has(error.code)) throw error;
        await sleep(pauseMs, undefined, { signal });
      }
    }
  }

  async openReplica(plan: JobPlan) {
    const { engine, stepPaddingMs } = this.#parts;
    const replica = await engine.replica(plan, { onFallback: this.#tellFallback(plan) });
    return stepPaddingMs > 0 ? new PaddedReplica(replica, stepPaddingMs) : replica;
  }

  #tellFallback({ jobId }: JobPlan) {
    return (reason: string) =>
      this.#parts.log.warn({ job: jobId, reason }, 'The model runs op by op: it could not be compiled');
  }

  async fetchExamples(
    plan: JobPlan,
    request: Omit<ExamplesRequest, 'type' | 'v' | 'datasetId'>,
    signal: AbortSignal,
  ): Promise<Examples> {
    const { requests, log } = this.#parts;
    const asked: ExamplesRequest = { type: 'examples', v: 1, datasetId: plan.dataset.id, ...request };
    for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_RETRY_MS)) {
      try {
        const reply = await requests.request(subjects.examples, asked, undefined, {
          timeoutMs: EXAMPLES_SILENCE_MS,
          signal,
          reply: examplesReplySchema,
          check: (frame) => checkExamples(frame, plan.dataset.summary, request.end - request.begin),
        });
        return examplesOf(reply, this.#memory);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof DownpourError)) throw error;
        // Of the data set: it will not come by trying again, and it is no sign that the job is over.
        if (error.code === 'not-found') throw new DownpourError('invalid-dataset', error.message, { cause: error });
        if (!PASSING.has(error.code)) throw error;
        log.debug({ job: plan.jobId, reason: error.message }, `No examples yet: asking again in ${pauseMs} ms`);
        await sleep(pauseMs, undefined, { signal });
      }
    }
  }

  giveBackExamples(examples: Examples): void {
    this.#memory.giveBack(examples);
  }

  report(jobId: string, event: JobEvent): void {
    this.#parts.events.report(jobId, event);
  }

  publish(jobId: string, event: JobEvent): Promise<void> {
    return this.#parts.events.publish(jobId, event);
  }

  exportModel(plan: JobPlan) {
    return this.#parts.engine.exportModel(plan.topology, plan.layout);
  }

  async putObject(name: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    await this.#parts.store.putStream(name, bytes);
  }

  /** The job shows it as its reason while nothing gets on. */
  #tellWaiting(jobId: string, why: string): void {
    const now = performance.now();
    if (now - (this.#waitingToldMs.get(jobId) ?? -Infinity) < WAITING_TOLD_EVERY_MS) return;
    this.#waitingToldMs.set(jobId, now);
    const { instance, log } = this.#parts;
    log.warn({ job: jobId }, `Pushes wait for ${why}`);
    this.report(jobId, {
      type: 'problem',
      at: new Date().toISOString(),
      instance,
      code: 'log-full',
      message: `Pushes wait for ${why}`,
      fatal: false,
      chunk: null,
    });
  }

  async prepare({ jobId, spec, dataset }: PrepareRequest): Promise<PrepareReply> {
    const { engine, store } = this.#parts;
    const prepared = await engine.prepare(spec, dataset);
    const { topology, layout, loss, cut } = prepared;
    const initial =
      spec.initialWeights === undefined
        ? engine.initialParameters(prepared, spec.seed)
        : [await this.#weights(spec.initialWeights, layout)];
    const bytes = bytesOf(initial, [{ begin: 0, end: layout.length }]);
    await store.putStream(objects.initialParameters(jobId), bytes);
    if (cut) await store.put(objects.modelCut(jobId), new TextEncoder().encode(JSON.stringify(cut)));
    return { type: 'prepared', v: 1, jobId, topology, layout, loss, ...(cut && { cut }) };
  }

  async #weights(id: string, layout: ParameterLayout): Promise<Float32Array> {
    const file = await this.#parts.store.get(objects.weights(id)).catch((error: unknown) => {
      if (!(error instanceof DownpourError) || error.code !== 'not-found') throw error;
      const message = `The weights ${id} that the job was to begin with are gone: upload them again with POST /v1/weights`;
      throw new DownpourError('invalid-request', message, { field: 'initialWeights', cause: error });
    });
    return vectorOfWeights(file, layout);
  }
}

/**
 * The reply's tensors, copied once to where TensorFlow's thread reads them. A chunk is kept for as long as it is trained: where it was received it would
 * keep the memory of everything that came with it from being read into again.
 */
function examplesOf({ header, tensors }: TensorFrame<ExamplesReply>, memory: ExamplesMemory): Examples {
  const features = requireTensor(tensors, 'features');
  const labels = requireTensor(tensors, 'labels');
  const examples = memory.copy({
    count: header.examples,
    features: features.dtype === 'uint8' ? asUint8(features) : asFloat32(features),
    labels: labels.dtype === 'int32' ? asInt32(labels) : asFloat32(labels),
  });
  // Both lie in one message.
  releaseReceived(features.data);
  return examples;
}
