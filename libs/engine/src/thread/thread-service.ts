import { DownpourError } from '@downpour/contracts';
import { prepareModel, TrainingModel, type Topology } from '@downpour/models';
import { rowsOf, type Batch } from '../step/batch.ts';
import { ModelRunner } from '../step/model-runner.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tryStep } from '../step/try-step.ts';
import { checkLayout } from './check-layout.ts';
import type { CallMessage, ReplicaPlan, Rows, ThreadStep } from './messages.ts';

/** What the thread does: models by number, one runner each. */
export class ThreadService {
  readonly #tensorflow: TensorFlow;
  readonly #runners = new Map<number, ModelRunner>();

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
        const prepared = await prepareModel(spec, dataset);
        await tryStep(this.#tensorflow, prepared, dataset);
        transfer.push(prepared.initial.buffer as ArrayBuffer);
        return prepared;
      }
      case 'open': {
        const { replica, plan } = message.ask;
        this.#close(replica);
        this.#runners.set(replica, await this.#open(plan));
        return null;
      }
      case 'step': {
        const { replica, parameters, rows, seed, gradient } = message.ask;
        const runner = this.#runner(replica);
        const began = performance.now();
        const { loss, correct } = runner.step(parameters, batchOf(rows), seed, gradient);
        return { loss, correct, computeMs: performance.now() - began, fellBack: runner.fellBack } satisfies ThreadStep;
      }
      case 'evaluate': {
        const { replica, parameters, rows } = message.ask;
        return this.#runner(replica).evaluate(parameters, batchOf(rows));
      }
      case 'close':
        this.#close(message.ask.replica);
        return null;
    }
  }

  async #open(plan: ReplicaPlan): Promise<ModelRunner> {
    const model = await TrainingModel.open(plan.topology as unknown as Topology, plan.dataset, plan.loss);
    checkLayout(model.layout, plan.layout);
    return new ModelRunner(this.#tensorflow, model, plan.compile);
  }

  #runner(replica: number): ModelRunner {
    const runner = this.#runners.get(replica);
    if (!runner) throw new DownpourError('not-found', `Replica ${replica} is not open in this thread; open it first`);
    return runner;
  }

  #close(replica: number): void {
    this.#runners.get(replica)?.dispose();
    this.#runners.delete(replica);
  }
}

function batchOf({ count, features, labels, begin, end }: Rows): Batch {
  return {
    count: end - begin,
    features: rowsOf(features, count, begin, end),
    labels: rowsOf(labels, count, begin, end),
  };
}
