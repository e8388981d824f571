import { DownpourError } from '@downpour/contracts';
import { describeModel, drawVariables, SegmentModel, TrainingModel, type Topology } from '@downpour/models';
import { cutPrepared } from '../partition/cut-prepared.ts';
import { PartitionRunner } from '../partition/partition-runner.ts';
import { batchOf, type Batch } from '../step/batch.ts';
import { ModelRunner } from '../step/model-runner.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tryStep } from '../step/try-step.ts';
import { checkLayout } from './check-layout.ts';
import type {
  CallMessage,
  ReplicaPlan,
  Rows,
  ThreadBackward,
  ThreadBackwardAsk,
  ThreadCut,
  ThreadForward,
  ThreadForwardAsk,
  ThreadStep,
  ThreadStepGraph,
} from './messages.ts';
import { ViewReceiver } from './shared-views.ts';

interface OpenReplica {
  runner: ModelRunner;
  memory: ViewReceiver;
}

interface OpenPartition {
  runner: PartitionRunner;
  memory: ViewReceiver;
}

/** What the thread does: models by number, one runner each. */
export class ThreadService {
  readonly #tensorflow: TensorFlow;
  readonly #replicas = new Map<number, OpenReplica>();
  readonly #partitions = new Map<number, OpenPartition>();

  constructor(tensorflow: TensorFlow) {
    this.#tensorflow = tensorflow;
  }

  /** Buffers pushed to `transfer` move to the asker instead of being copied. */
  async answer(message: CallMessage, transfer: ArrayBuffer[]): Promise<unknown> {
    switch (message.name) {
      case 'info':
        return {
          tensorflow: this.#tensorflow.version,
          intraOpThreads: Number(process.env['TF_NUM_INTRAOP_THREADS']),
        };
      case 'prepare': {
        const { spec, dataset } = message.ask;
        const described = await describeModel(spec, dataset);
        const { partitions } = spec;
        // Layer by layer: the whole may be more than fits here.
        if (partitions) described.cut = await cutPrepared(this.#tensorflow, described, dataset, partitions);
        else await tryStep(this.#tensorflow, described, dataset);
        return described;
      }
      case 'draw': {
        const { topology, seed, begin, least } = message.ask;
        const drawn = await drawVariables(topology, seed, begin, least);
        moveBuffers(drawn, transfer);
        return drawn;
      }
      case 'open': {
        const { replica, plan } = message.ask;
        this.#close(replica);
        this.#replicas.set(replica, { runner: await this.#open(plan), memory: new ViewReceiver() });
        return null;
      }
      case 'step': {
        const { replica, parameters, rows, seed, gradient } = message.ask;
        const { runner, memory } = this.#replica(replica);
        // All views before anything that may fail: each may tell of memory that later ones name.
        const [vector, batch, into] = [memory.vector(parameters), batchIn(rows, memory), memory.vector(gradient)];
        const began = performance.now();
        const { loss, correct } = runner.step(vector, batch, seed, into);
        return { loss, correct, computeMs: performance.now() - began, fellBack: runner.fellBack } satisfies ThreadStep;
      }
      case 'stepGraph': {
        const { runner, memory } = this.#replica(message.ask.replica);
        const found = runner.stepGraph(batchIn(message.ask.rows, memory));
        return found && ({ addon: this.#tensorflow.addon, ...found } satisfies ThreadStepGraph);
      }
      case 'evaluate': {
        const { replica, parameters, rows } = message.ask;
        const { runner, memory } = this.#replica(replica);
        return runner.evaluate(memory.vector(parameters), batchIn(rows, memory));
      }
      case 'predict': {
        const { replica, parameters, rows } = message.ask;
        const { runner, memory } = this.#replica(replica);
        return runner.predict(memory.vector(parameters), batchIn(rows, memory));
      }
      case 'close':
        this.#close(message.ask.replica);
        return null;
      case 'openPartition': {
        const { replica, plan, cut } = message.ask;
        this.#close(replica);
        this.#partitions.set(replica, { runner: await this.#openPartition(plan, cut), memory: new ViewReceiver() });
        return null;
      }
      case 'forward':
        return this.#forward(message.ask, transfer);
      case 'backward':
        return this.#backward(message.ask, transfer);
      case 'forget':
        this.#partitions.get(message.ask.replica)?.runner.forget();
        return null;
    }
  }

  #forward(ask: ThreadForwardAsk, transfer: ArrayBuffer[]): ThreadForward {
    const { replica, segment, microBatch, weight, seed, training, inputs } = ask;
    const { runner, memory } = this.#partition(replica);
    const parameters = memory.vector(ask.parameters);
    const rows = { parameters, batch: batchIn(ask.rows, memory), inputs, weight, seed };
    const began = performance.now();
    const result = training ? runner.forward(segment, microBatch, rows) : runner.evaluate(segment, rows);
    moveBuffers(result.outputs, transfer);
    return { ...result, computeMs: performance.now() - began, fellBack: runner.fellBack };
  }

  #backward(ask: ThreadBackwardAsk, transfer: ArrayBuffer[]): ThreadBackward {
    const { replica, segment, microBatch, outputGradients } = ask;
    const { runner, memory } = this.#partition(replica);
    const [parameters, gradient] = [memory.vector(ask.parameters), memory.vector(ask.gradient)];
    const began = performance.now();
    const inputGradients = runner.backward(segment, microBatch, parameters, outputGradients, gradient);
    moveBuffers(inputGradients, transfer);
    return { inputGradients, computeMs: performance.now() - began };
  }

  async #openPartition(plan: ReplicaPlan, { partition, assignment }: ThreadCut): Promise<PartitionRunner> {
    const { dataset, loss, metrics, objective, layout } = plan;
    const topology = plan.topology as unknown as Topology;
    const own = await SegmentModel.open({
      topology,
      assignment,
      partition,
      layout,
      dataset,
      loss,
      metrics,
      objective,
    });
    return new PartitionRunner(this.#tensorflow, own, layout, plan.compile);
  }

  #partition(replica: number): OpenPartition {
    const open = this.#partitions.get(replica);
    if (!open) throw new DownpourError('not-found', `Partition ${replica} is not open in this thread; open it first`);
    return open;
  }

  async #open(plan: ReplicaPlan): Promise<ModelRunner> {
    const { dataset, loss, metrics, objective } = plan;
    const model = await TrainingModel.open(plan.topology as unknown as Topology, dataset, loss, { metrics, objective });
    checkLayout(model.layout, plan.layout);
    return new ModelRunner(this.#tensorflow, model, plan.compile);
  }

  #replica(replica: number): OpenReplica {
    const open = this.#replicas.get(replica);
    if (!open) throw new DownpourError('not-found', `Replica ${replica} is not open in this thread; open it first`);
    return open;
  }

  #close(replica: number): void {
    this.#replicas.get(replica)?.runner.dispose();
    this.#replicas.delete(replica);
    this.#partitions.get(replica)?.runner.dispose();
    this.#partitions.delete(replica);
  }
}

/** To the asker, without a copy. */
function moveBuffers(results: readonly Float32Array[], transfer: ArrayBuffer[]): void {
  for (const { buffer } of results)
    if (buffer instanceof ArrayBuffer && !transfer.includes(buffer)) transfer.push(buffer);
}

function batchIn({ count, features, labels, begin, end }: Rows, memory: ViewReceiver): Batch {
  const all = {
    count,
    features: memory.array(features) as Batch['features'],
    labels: memory.array(labels) as Batch['labels'],
  };
  return batchOf(all, begin, end);
}
