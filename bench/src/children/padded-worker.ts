import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChunkTask, JobPlan, Member } from '@downpour/contracts';
import {
  chunkBounds,
  examplesReplySchema,
  objects,
  prepareRequestSchema,
  queueGroups,
  subjects,
} from '@downpour/contracts';
import { prepareModel } from '@downpour/models';
import {
  ChunkQueues,
  connectNats,
  EventBus,
  Membership,
  NatsParameterClient,
  NatsStrategy,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
  type ChunkQueue,
  type NatsLink,
} from '@downpour/nats';
import { asInt32, asUint8, requireTensor, type TensorFrame } from '@downpour/tensor';
import { DownpourReplica, type Examples, type Replica, type StepResult, type TakenChunk } from '@downpour/training';

/** As a worker's own default. */
const OUTSTANDING_PUSHES = 4;
const CHUNK_WAIT_MS = 1000;

/** A worker as far as NATS and the shards can tell: everything but TensorFlow is the real thing. */
export class PaddedWorker {
  readonly instance: string;
  readonly plans: PlanWatcher;
  readonly #link: NatsLink;
  readonly #membership: Membership;
  readonly #requests: RequestClient;
  readonly #publisher: PushPublisher;

  private constructor(instance: string, link: NatsLink, membership: Membership, plans: PlanWatcher) {
    this.instance = instance;
    this.#link = link;
    this.#membership = membership;
    this.plans = plans;
    this.#requests = new RequestClient(link);
    this.#publisher = new PushPublisher(link);
  }

  static async join(natsUrl: string, index: number): Promise<PaddedWorker> {
    const instance = `bench-${process.pid}-${index}`;
    const link = await connectNats({ servers: natsUrl, name: instance });
    const [membership, plans] = await Promise.all([Membership.start(link), PlanWatcher.start(link)]);
    const member: Member = {
      role: 'worker',
      instance,
      host: hostname(),
      pid: process.pid,
      startedAt: new Date().toISOString(),
      version: 'bench',
      draining: false,
      details: {},
    };
    await membership.join(member);
    return new PaddedWorker(instance, link, membership, plans);
  }

  /** Builds models when the coordinator asks for one: tfjs in JavaScript is enough for that. */
  prepare(): Promise<void> {
    const store = new ObjectStore(this.#link);
    const strategy = new NatsStrategy(this.#link, { instance: this.instance });
    const handler = async (frame: TensorFrame) => {
      const { jobId, spec, dataset } = prepareRequestSchema.parse(frame.header);
      const { topology, layout, initial, loss } = await prepareModel(spec, dataset);
      await store.put(objects.initialParameters(jobId), new Uint8Array(initial.buffer));
      return { header: { type: 'prepared', v: 1, jobId, topology, layout, loss }, tensors: {} };
    };
    strategy.addHandler(subjects.prepare, handler as never, false, { queue: queueGroups.workers, concurrency: 1 });
    return new Promise((resolve, reject) => strategy.listen((error) => (error ? reject(error) : resolve())));
  }

  async plan(jobId: string, signal: AbortSignal): Promise<JobPlan> {
    return this.plans.current(jobId) ?? (await this.plans.next(jobId, signal))!;
  }

  parameters(plan: JobPlan): NatsParameterClient {
    return new NatsParameterClient({
      requests: this.#requests,
      publisher: this.#publisher,
      plans: this.plans,
      plan,
      instance: this.instance,
      window: OUTSTANDING_PUSHES,
    });
  }

  /** Trains chunks, each step padded to `padMs`, until the signal; calls back at the end of each step. */
  async train(plan: JobPlan, padMs: number, onStep: () => void, signal: AbortSignal): Promise<void> {
    const { jobId } = plan;
    const queue = new ChunkQueues(this.#link).open(jobId);
    const parameters = this.parameters(plan);
    const events = new EventBus(this.#link);
    const downpour = new DownpourReplica({
      plan,
      instance: this.instance,
      parameters,
      replica: new PaddedReplica(plan.layout.length, padMs, onStep),
      report: (event) => events.report(jobId, event),
      signal,
    });
    try {
      // One chunk ahead, as a worker does.
      let next = this.#take(queue, plan, signal);
      while (!signal.aborted) {
        const chunk = await next;
        next = this.#take(queue, plan, signal);
        if (!chunk) continue;
        const outcome = await downpour.trainChunk(chunk, { more: () => true });
        if (outcome.kind === 'trained') outcome.settled.catch(() => undefined);
      }
      await (await next)?.giveBack();
    } finally {
      downpour.close();
      await parameters.close();
      await queue.close();
    }
  }

  async leave(): Promise<void> {
    await this.#membership.stop();
    await this.plans.stop();
    this.#requests.close();
    await this.#link.close();
  }

  async #take(queue: ChunkQueue, plan: JobPlan, signal: AbortSignal): Promise<TakenChunk | null> {
    const held = await queue.next(CHUNK_WAIT_MS);
    if (!held) return null;
    const examples = this.#examples(plan, held.task, signal);
    examples.catch(() => undefined);
    return {
      task: held.task,
      delivery: held.delivery,
      examples,
      done: () => held.done(),
      giveBack: () => held.giveBack(),
    };
  }

  async #examples({ dataset, chunks }: JobPlan, { epoch, chunk }: ChunkTask, signal: AbortSignal): Promise<Examples> {
    const order = { seed: chunks.seed, epoch };
    const asked = { type: 'examples', v: 1, datasetId: dataset.id, split: 'train', order } as const;
    const { header, tensors } = await this.#requests.request(
      subjects.examples,
      { ...asked, ...chunkBounds(chunks, chunk) },
      undefined,
      { signal, reply: examplesReplySchema },
    );
    const [features, labels] = [requireTensor(tensors, 'features'), requireTensor(tensors, 'labels')];
    return { count: header.examples, features: asUint8(features), labels: asInt32(labels) };
  }
}

/** Computes nothing, and takes its time for it. */
class PaddedReplica implements Replica {
  readonly #gradient: Float32Array;
  readonly #padMs: number;
  readonly #onStep: () => void;

  constructor(length: number, padMs: number, onStep: () => void) {
    this.#gradient = new Float32Array(length);
    this.#padMs = padMs;
    this.#onStep = onStep;
  }

  async step(...[, , , , , into]: Parameters<Replica['step']>): Promise<StepResult> {
    await sleep(this.#padMs);
    this.#onStep();
    return { gradient: into ?? this.#gradient, loss: 1, accuracy: 0 };
  }

  evaluate(): Promise<never> {
    return Promise.reject(new Error('A padded replica has no model'));
  }

  async dispose(): Promise<void> {}
}
