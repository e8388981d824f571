import type { DatasetSummary, JobPlan, ModelCut, ParameterLayout } from '@downpour/contracts';
import { partitionLayout } from '@downpour/contracts';
import type { LossKind, MetricsSpec, ObjectiveSpec, PreparationSpec, DescribedModel } from '@downpour/models';
import {
  assignmentOf,
  defaultLoss,
  exportModel,
  segmentsOf,
  type ExportedModel,
  type Topology,
} from '@downpour/models/topology';
import type { EngineInfo, ReplicaPlan } from './thread/messages.ts';
import { TensorFlowThread } from './thread/tensorflow-thread.ts';
import { ThreadPartition } from './thread-partition.ts';
import { ThreadReplica, type ReplicaEvents } from './thread-replica.ts';

/** A small model's are drawn at once, of a large one a variable at a time. */
const VALUES_OF_A_DRAW = 2 ** 20;

export interface EngineOptions {
  /** Threads that one TensorFlow op may use. @default 1: several workers share a machine; one worker on a big one gains from more. */
  threads?: number;
}

/** What a replica is opened with: a job's plan, or as much of one. */
export type ReplicaInput = Pick<JobPlan, 'topology' | 'layout'> & {
  spec: { loss?: LossKind } & Partial<MetricsSpec> & ObjectiveSpec;
  dataset: { summary: DatasetSummary };
};

export interface ReplicaOptions extends ReplicaEvents {
  /** false: run op by op, for comparison. @default true */
  compile?: boolean;
}

/**
 * TensorFlow for a worker process: one thread of its own, shared by all jobs, started at the first call. This object itself
 * loads no TensorFlow, so it costs nothing until used. Make one for a process.
 */
export class Engine {
  readonly #thread: TensorFlowThread;
  #nextReplica = 1;

  private constructor(options: EngineOptions) {
    this.#thread = new TensorFlowThread(options.threads === undefined ? {} : { intraOpThreads: options.threads });
  }

  /** Resolves when TensorFlow is loaded. */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const engine = new Engine(options);
    await engine.info();
    return engine;
  }

  /**
   * Lays a job's model out, checks it against the data set, and cuts it where the spec says so.
   * @throws DownpourError invalid-model
   */
  prepare(spec: PreparationSpec, dataset: DatasetSummary): Promise<DescribedModel> {
    return this.#thread.call('prepare', { spec: preparationOf(spec), dataset });
  }

  /** The vector that a prepared model begins with, drawn from the job's seed: float32 [layout.length], in parts of whole variables. */
  async *initialParameters({ topology, layout }: DescribedModel, seed: number): AsyncGenerator<Float32Array> {
    for (let begin = 0; begin < layout.variables.length;) {
      const drawn = await this.#thread.call('draw', { topology, seed, begin, least: VALUES_OF_A_DRAW });
      yield* drawn;
      begin += drawn.length;
    }
  }

  /** @throws DownpourError invalid-model when this version of Downpour lays the model out in another way than the plan */
  async replica(plan: ReplicaInput, options: ReplicaOptions = {}): Promise<ThreadReplica> {
    const { compile = true, ...events } = options;
    const replica = new ThreadReplica(this.#thread, this.#nextReplica++, threadPlan(plan, compile), events);
    await replica.open();
    return replica;
  }

  /**
   * One partition of a model that is cut; its vectors are laid out by `partitionLayout`.
   * @throws DownpourError invalid-model
   */
  async partition(
    plan: ReplicaInput & { cut: ModelCut },
    partition: number,
    options: ReplicaOptions = {},
  ): Promise<ThreadPartition> {
    const { compile = true, ...events } = options;
    const assignment = assignmentOf(plan.cut);
    const segments = segmentsOf(plan.topology as unknown as Topology, assignment);
    const layout = partitionLayout(plan.layout, plan.cut, partition);
    const compute = new ThreadPartition(
      this.#thread,
      this.#nextReplica++,
      { ...threadPlan(plan, compile), layout },
      { partition, assignment, segments },
      events,
    );
    await compute.open();
    return compute;
  }

  /** `model.json` and `weights.bin` for `tf.loadLayersModel`; `weights` are ranges of its vector. */
  exportModel(topology: Record<string, unknown>, layout: ParameterLayout): ExportedModel {
    return exportModel(topology, layout);
  }

  info(): Promise<EngineInfo> {
    return this.#thread.call('info', {});
  }

  /** Ends the thread at once, as a crash would: calls under way are rejected, replicas go on with the next thread. */
  interrupt(): Promise<void> {
    return this.#thread.interrupt();
  }

  /** Ends the thread; calls under way are rejected. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}

/** Of a plan, what crosses to the thread. */
function threadPlan(plan: ReplicaInput, compile: boolean): ReplicaPlan {
  const { topology, layout } = plan;
  const { summary: dataset } = plan.dataset;
  const { loss = defaultLoss(dataset), metrics = [], topK = 5, labelSmoothing, classWeights, augment } = plan.spec;
  const objective = { labelSmoothing, classWeights, augment };
  return { topology, layout, dataset, loss, metrics: { metrics, topK }, objective, compile };
}

/** Of a whole spec, what crosses to the thread. */
function preparationOf(spec: PreparationSpec): PreparationSpec {
  const { model, seed, loss, augment, labelSmoothing, classWeights, metrics, topK, stopAt, earlyStopping, partitions } =
    spec;
  return { model, seed, loss, augment, labelSmoothing, classWeights, metrics, topK, stopAt, earlyStopping, partitions };
}
