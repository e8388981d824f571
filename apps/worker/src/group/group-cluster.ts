import type {
  ChunkTask,
  CrossingRequest,
  GroupWorkReply,
  GroupWorkRequest,
  JobPlan,
  Segment,
} from '@downpour/contracts';
import { chunksInEpoch, DownpourError, jobPlanSchema, partitionLayout } from '@downpour/contracts';
import type { ParameterClient, PartitionCompute } from '@downpour/training';
import { fakePlan, FakeParameters, FakePartition } from '@downpour/training/fakes';
import { FakeCluster, FakeQueue, pause } from '../fake-cluster.ts';
import type { PlanView } from '../viewed-plans.ts';
import type { Worker } from '../worker.ts';

/** A chain of segments with a parameter each, cut as `partitions` says; and workers that reach each other in this process. */
export class GroupCluster extends FakeCluster {
  readonly workers = new Map<string, Worker>();
  readonly segments: Segment[];
  readonly plan: JobPlan;
  readonly perPartition: FakeParameters[];
  /** Called before a tensor is handed over; what it throws its sender gets. */
  beforeCrossing: (instance: string, header: CrossingRequest) => void | Promise<void> = () => undefined;
  readonly computes: FakePartition[] = [];

  constructor(partitions: readonly number[], members: readonly string[]) {
    super();
    let level = 0;
    this.segments = partitions.map((partition, index) => {
      if (index > 0 && partitions[index - 1] !== partition) level += 1;
      return {
        index,
        partition,
        level,
        layers: [`s${index}`],
        inputs: index === 0 ? [] : [`s${index - 1}`],
        outputs: index === partitions.length - 1 ? [] : [`s${index}`],
        readsFeatures: index === 0,
        holdsLoss: index === partitions.length - 1,
      };
    });
    const count = Math.max(...partitions) + 1;
    const cut = { partitions: count, nodes: [], variables: [...partitions] };
    const plan = fakePlan({ examples: 40, chunkSize: 10, spec: { partitions: { count, microBatches: 2 } } });
    const variables = partitions.map((_, i) => ({ name: `s${i}`, shape: [1], offset: i, length: 1, trainable: true }));
    const layout = { length: partitions.length, trainableLength: partitions.length, variables };
    const shards = Array.from({ length: count }, (_, shard) => ({
      shard,
      partition: shard,
      ranges: partitions.flatMap((partition, i) => (partition === shard ? [{ begin: i, end: i + 1 }] : [])),
      instance: 'shard-1',
      ownership: 1,
    }));
    const groups = { newest: 1, formed: [{ group: 0, generation: 1, members: [...members] }] };
    this.plan = jobPlanSchema.parse({ ...plan, layout, shards, cut, groups });
    this.perPartition = shards.map(
      (_, partition) =>
        new FakeParameters({
          initial: new Array<number>(partitionLayout(layout, cut, partition).length).fill(0.5),
          learningRate: 0.01,
        }),
    );
    const queue = new FakeQueue<ChunkTask>();
    for (let chunk = 0; chunk < chunksInEpoch(plan.chunks); chunk++)
      queue.add({ type: 'chunk', v: 1, jobId: plan.jobId, epoch: 0, chunk });
    this.chunks.set(plan.jobId, queue);
  }

  /** The plan with another group. */
  regrouped(generation: number, members: readonly string[]): JobPlan {
    return { ...this.plan, groups: { newest: generation, formed: [{ group: 0, generation, members: [...members] }] } };
  }

  override async openParameters(
    plan: JobPlan,
    view: PlanView = (whole) => whole,
  ): ReturnType<FakeCluster['openParameters']> {
    const fakes = this.perPartition.filter((_, shard) => view(plan).shards[shard]!.ranges.length > 0);
    const pull: ParameterClient['pull'] = async (into, signal) => {
      const parts = await Promise.all(
        fakes.map((fake) => fake.pull({ vector: new Float32Array(fake.vector.length), versions: [-1] }, signal)),
      );
      into.vector.set(parts.flatMap(({ vector }) => [...vector]));
      return into;
    };
    return { pull, push: fakes[0]!.push.bind(fakes[0]), close: async () => undefined };
  }

  override openPartition(_: JobPlan, partition: number): Promise<PartitionCompute> {
    const compute = new FakePartition(this.segments, partition);
    this.computes.push(compute);
    return Promise.resolve(compute);
  }

  override askMember(instance: string, request: GroupWorkRequest, signal: AbortSignal): Promise<GroupWorkReply> {
    return this.#answered(signal, () => this.#seat(instance, request.jobId).answer(request));
  }

  override sendCrossing(
    instance: string,
    header: CrossingRequest,
    values: Float32Array,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#answered(signal, async () => {
      await this.beforeCrossing(instance, header);
      this.#seat(instance, header.jobId).deliver(header, values.slice());
    });
  }

  #seat(instance: string, jobId: string) {
    const worker = this.workers.get(instance);
    if (!worker) throw new DownpourError('unavailable', `${instance} is away`);
    return worker.seat(jobId);
  }

  async #answered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        signal.throwIfAborted();
        return await ask();
      } catch (error) {
        if (!(error instanceof DownpourError) || error.code !== 'unavailable') throw error;
        signal.throwIfAborted();
        await pause(1);
      }
    }
  }
}
