import type { TrainingModel } from '@downpour/models';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import { evaluationOf, type Batch, type HostEvaluation, type HostStep, type StepRunner } from './batch.ts';
import { castFeatures, eagerTensors, flatten, hostTensors, parameterTensors, uniformFrom } from './step-inputs.ts';

/** Runs a model op by op: the reference for compiled steps, and what stands in where a model can't be compiled. */
export class EagerRunner implements StepRunner {
  readonly #tensorflow: TensorFlow;
  readonly #model: TrainingModel;

  constructor(tensorflow: TensorFlow, model: TrainingModel) {
    this.#tensorflow = tensorflow;
    this.#model = model;
  }

  step(parameters: Float32Array, batch: Batch, seed: number, gradient?: Float32Array): HostStep {
    return tidied(this.#tensorflow, () => {
      const { values, features, labels, seed: key } = this.#inputs(parameters, batch, seed);
      const { gradients, stats } = this.#model.step(values, features, labels, uniformFrom(this.#tensorflow, key));
      const [loss, correct] = stats.dataSync();
      const parts = gradients.map((tensor) => tensor.dataSync());
      return { gradient: flatten(this.#model, parts, gradient), loss: loss!, correct: correct! };
    });
  }

  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    return tidied(this.#tensorflow, () => {
      const { values, features, labels } = this.#inputs(parameters, batch, 0);
      return evaluationOf(this.#model.evaluate(values, features, labels).dataSync<'float32'>());
    });
  }

  predict(parameters: Float32Array, batch: Batch): Float32Array {
    return tidied(this.#tensorflow, () => {
      const { values, features } = this.#inputs(parameters, batch, 0);
      return this.#model.predict(values, features).dataSync<'float32'>();
    });
  }

  #inputs(parameters: Float32Array, batch: Batch, seed: number) {
    const { binding } = this.#tensorflow.backend;
    const tensors = eagerTensors(this.#tensorflow, hostTensors(binding, this.#model, parameters, batch, seed));
    return {
      values: parameterTensors(this.#model.layout.variables, tensors),
      features: castFeatures(this.#tensorflow, this.#model, tensors['features']!, batch.features instanceof Uint8Array),
      labels: tensors['labels']!,
      seed: tensors['seed']!,
    };
  }
}
