import type { TrainingModel } from '@downpour/models';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import type { Batch, HostEvaluation, HostStep, StepRunner } from './batch.ts';
import { castFeatures, hostTensors, uniformFrom, type HostTensor } from './step-inputs.ts';

/** Runs a model op by op: the reference for compiled steps, and what stands in where a model can't be compiled. */
export class EagerRunner implements StepRunner {
  readonly #tensorflow: TensorFlow;
  readonly #model: TrainingModel;

  constructor(tensorflow: TensorFlow, model: TrainingModel) {
    this.#tensorflow = tensorflow;
    this.#model = model;
  }

  step(parameters: Float32Array, batch: Batch, seed: number): HostStep {
    return tidied(this.#tensorflow, () => {
      const inputs = this.#inputs(parameters, batch, seed);
      const uniform = uniformFrom(this.#tensorflow, inputs.seed);
      const { gradient, stats } = this.#model.step(inputs.parameters, inputs.features, inputs.labels, uniform);
      const [loss, correct] = stats.dataSync();
      return { gradient: gradient.dataSync() as Float32Array, loss: loss!, correct: correct! };
    });
  }

  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    return tidied(this.#tensorflow, () => {
      const inputs = this.#inputs(parameters, batch, 0);
      const [lossSum, correct] = this.#model.evaluate(inputs.parameters, inputs.features, inputs.labels).dataSync();
      return { lossSum: lossSum!, correct: correct! };
    });
  }

  #inputs(parameters: Float32Array, batch: Batch, seed: number) {
    const { backend } = this.#tensorflow;
    const host = hostTensors(backend.binding, this.#model, parameters, batch, seed);
    const tensor = ({ shape, dtype, values }: HostTensor): Tensor =>
      backend.createOutputTensor({ id: backend.binding.createTensor(shape, dtype, values), shape, dtype });
    const isByte = batch.features instanceof Uint8Array;
    return {
      parameters: tensor(host.parameters) as Tensor1D,
      features: castFeatures(this.#tensorflow, tensor(host.features), isByte),
      labels: tensor(host.labels),
      seed: tensor(host.seed),
    };
  }
}
