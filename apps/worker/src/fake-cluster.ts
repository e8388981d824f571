import type {
  ChunkTask,
  CrossingRequest,
  EvaluateTask,
  ExamplesRequest,
  GroupWorkReply,
  GroupWorkRequest,
  JobEvent,
  JobPlan,
  PrepareReply,
} from '@downpour/contracts';
import { chunksInEpoch } from '@downpour/contracts';
import type { Examples, PartitionCompute, Replica } from '@downpour/training';
import { FakeParameters, LinearReplica } from '@downpour/training/fakes';
import type { HeldTask, TaskQueue, WorkerVerbs } from './ports.ts';
import type { PlanView } from './viewed-plans.ts';

/** A work queue in memory: what is given back comes again, with its count. */
export class FakeQueue<Task> implements TaskQueue<Task> {
  readonly waiting: { task: Task; deliveries: number }[] = [];
  readonly done: Task[] = [];
  held = 0;
  taken = 0;

  add(...tasks: Task[]): void {
    for (const task of tasks) this.waiting.push({ task, deliveries: 0 });
  }

  async next(waitMs: number): Promise<HeldTask<Task> | null> {
    if (this.waiting.length === 0) await pause(Math.min(waitMs, 5));
    const item = this.waiting.shift();
    if (!item) return null;
    item.deliveries += 1;
    this.held += 1;
    this.taken += 1;
    let open = true;
    const end = (how: () => void) => {
      if (!open) throw new Error('A task was ended twice');
      open = false;
      this.held -= 1;
      how();
    };
    return {
      task: item.task,
      delivery: item.deliveries,
      done: async () => end(() => this.done.push(item.task)),
      giveBack: async ({ untried = false } = {}) =>
        end(() => {
          if (untried) item.deliveries -= 1;
          this.waiting.unshift(item);
        }),
    };
  }

  async close(): Promise<void> {}
}

/** Everything a worker talks to, in memory: one shard, one queue and one linear replica a job. */
export class FakeCluster implements WorkerVerbs {
  readonly chunks = new Map<string, FakeQueue<ChunkTask>>();
  readonly parameters = new Map<string, FakeParameters>();
  readonly replicas = new Map<string, LinearReplica>();
  readonly evaluations = new FakeQueue<EvaluateTask>();
  readonly events: { jobId: string; event: JobEvent }[] = [];
  readonly objects = new Map<string, Uint8Array>();
  readonly requests: Omit<ExamplesRequest, 'type' | 'v' | 'datasetId'>[] = [];
  /** Called before examples are answered; what it throws the request throws. */
  beforeExamples: (split: string) => void | Promise<void> = () => undefined;
  disposed: string[] = [];
  /** Examples that were given back. */
  givenBack = 0;

  /** A job with the chunks of one epoch in its queue. */
  addJob(plan: JobPlan): LinearReplica {
    const queue = new FakeQueue<ChunkTask>();
    for (let chunk = 0; chunk < chunksInEpoch(plan.chunks); chunk++) {
      queue.add({ type: 'chunk', v: 1, jobId: plan.jobId, epoch: 0, chunk });
    }
    const replica = new LinearReplica(plan.layout.length);
    this.chunks.set(plan.jobId, queue);
    this.replicas.set(plan.jobId, replica);
    this.parameters.set(
      plan.jobId,
      new FakeParameters({ initial: new Array(plan.layout.length).fill(0), learningRate: 0.5 }),
    );
    return replica;
  }

  async openChunks(jobId: string): Promise<FakeQueue<ChunkTask>> {
    return this.chunks.get(jobId)!;
  }

  async openParameters(plan: JobPlan, _view?: PlanView): ReturnType<WorkerVerbs['openParameters']> {
    const fake = this.parameters.get(plan.jobId)!;
    return {
      pull: fake.pull.bind(fake),
      push: fake.push.bind(fake),
      close: async () => undefined,
    };
  }

  async openReplica(plan: JobPlan): Promise<Replica> {
    const fake = this.replicas.get(plan.jobId)!;
    return {
      step: fake.step.bind(fake),
      evaluate: fake.evaluate.bind(fake),
      dispose: async () => void this.disposed.push(plan.jobId),
    };
  }

  openPartition(_: JobPlan, partition: number): Promise<PartitionCompute> {
    return Promise.reject(new Error(`Partition ${partition} is not part of the fake`));
  }

  askMember(instance: string, _: GroupWorkRequest, __: AbortSignal): Promise<GroupWorkReply> {
    return Promise.reject(new Error(`${instance} is not part of the fake`));
  }

  sendCrossing(instance: string, _: CrossingRequest, __: Float32Array, ___: AbortSignal): Promise<void> {
    return Promise.reject(new Error(`${instance} is not part of the fake`));
  }

  async fetchExamples(
    plan: JobPlan,
    request: Omit<ExamplesRequest, 'type' | 'v' | 'datasetId'>,
    signal: AbortSignal,
  ): Promise<Examples> {
    this.requests.push(request);
    await this.beforeExamples(request.split);
    signal.throwIfAborted();
    const features = Float32Array.from(
      { length: request.end - request.begin },
      (_, i) => (request.begin + i + 1) / plan.chunks.examples,
    );
    return { count: features.length, features, labels: features.map((x) => 3 * x) };
  }

  /** What was given back must not be read: it is as good as overwritten. */
  giveBackExamples({ features, labels }: Examples): void {
    this.givenBack += 1;
    features.fill(NaN);
    labels.fill(NaN);
  }

  report(jobId: string, event: JobEvent): void {
    this.events.push({ jobId, event });
  }

  async publish(jobId: string, event: JobEvent): Promise<void> {
    this.events.push({ jobId, event });
  }

  exportModel(plan: JobPlan) {
    return { modelJson: plan.jobId, weights: [{ begin: 0, end: plan.layout.length }] };
  }

  async putObject(name: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(part.slice());
    this.objects.set(name, Uint8Array.from(Buffer.concat(parts)));
  }

  prepare(): Promise<PrepareReply> {
    throw new Error('not part of the fake');
  }

  problems() {
    return this.events.flatMap(({ event }) => (event.type === 'problem' ? [event] : []));
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
