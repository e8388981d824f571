import type { DatasetSummary, ParameterLayout } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { LayersModel, Scalar, Tensor, Tensor1D, Tensor2D, Variable } from '@tensorflow/tfjs';
import { augmented } from './augment.ts';
import { modelFromTopology } from './build-model.ts';
import { freezeAverages } from './freeze-averages.ts';
import { checkOutputs } from './losses/check-outputs.ts';
import type { LossKind } from './losses/loss-kind.ts';
import { objectiveOf, type ObjectiveSpec } from './losses/objective.ts';
import type { ReadOutput } from './losses/output-form.ts';
import { correctAnswers } from './metrics/accuracy.ts';
import { metricSums } from './metrics/metric-tensors.ts';
import { NO_METRICS, type MetricsSpec } from './metrics/metric-sums.ts';
import { layoutOf, outputsOf, variablesOf, type LayerVariable } from './parameter-layout.ts';
import { SeededDropout, type UniformSource } from './seeded-dropout.ts';
import { inputShapeOf, type Topology } from './topology/topology.ts';
import { trainingTopology } from './topology/training-topology.ts';

interface TrainedOutput extends ReadOutput {
  /** Of its loss in the sum that is trained. */
  weight: number;
}

/** Tensors of a step. */
export interface StepTensors {
  /** For each variable of the layout, in its shape: the gradient of the batch's mean loss as it is trained (losses/objective.ts), or what a state variable changed by. */
  gradients: Tensor[];
  /** float32 [2]: mean loss (weighted sum over the outputs, regularisers included), right answers of the main output (0 where there are none). */
  stats: Tensor1D;
}

export interface TrainingOptions {
  /** What evaluations count beside loss and right answers. @default nothing */
  metrics?: MetricsSpec;
  /** What training makes of examples and loss. @default they as they are */
  objective?: ObjectiveSpec;
}

/**
 * A model as it is trained: a function from parameters and a batch to gradients, written in tfjs ops alone, so
 * that it runs op by op on any backend and can be recorded and compiled (libs/engine).
 */
export class TrainingModel {
  readonly layout: ParameterLayout;
  readonly dataset: DatasetSummary;
  /** Shape of one example at the model's input. */
  readonly inputShape: readonly number[];
  /** Whether features are indices (a layer looks them up), which are read as they are: bytes are not divided by 255. */
  readonly readsIndices: boolean;
  readonly #model: LayersModel;
  readonly #loss: LossKind;
  readonly #metrics: MetricsSpec;
  readonly #objective: ObjectiveSpec;
  /** The main one first. */
  readonly #outputs: readonly TrainedOutput[];
  readonly #variables: LayerVariable[];
  readonly #dropouts: SeededDropout[];

  private constructor(
    model: LayersModel,
    topology: Topology,
    outputs: readonly ReadOutput[],
    dataset: DatasetSummary,
    { loss, metrics, objective }: Required<TrainingOptions> & { loss: LossKind },
  ) {
    this.#model = model;
    this.#loss = loss;
    this.#metrics = metrics;
    this.#objective = objective;
    this.#outputs = outputs.map((output, i) => ({ ...output, weight: topology.loss_weights?.[i] ?? 1 }));
    this.readsIndices = topology.config.layers.some(({ class_name }) => class_name === 'Embedding');
    this.dataset = dataset;
    this.layout = layoutOf(model);
    this.inputShape = inputShapeOf(topology) ?? dataset.featureShape;
    this.#variables = variablesOf(model);
    for (const layer of model.layers) freezeAverages(layer);
    this.#dropouts = model.layers.filter((layer): layer is SeededDropout => layer instanceof SeededDropout);
  }

  /** @throws DownpourError invalid-model */
  static async open(
    topology: Topology,
    dataset: DatasetSummary,
    loss: LossKind,
    { metrics = NO_METRICS, objective = {} }: TrainingOptions = {},
  ): Promise<TrainingModel> {
    const { topology: twin, outputs } = trainingTopology(topology, loss);
    const model = await modelFromTopology(twin);
    try {
      checkOutputs(outputsOf(model), dataset, loss);
      return new TrainingModel(model, topology, outputs, dataset, { loss, metrics, objective });
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Forward and backward. `parameters`: a float32 tensor for each variable of the layout, in its shape; `features` float32 [n, ...inputShape], `labels` int32 [n] or float32
   * [n, labelWidth]. `uniform` gives dropout its numbers.
   */
  step(parameters: Tensor[], features: Tensor, labels: Tensor, uniform: UniformSource): StepTensors {
    return tf.tidy(() => {
      this.#assign(parameters);
      for (const dropout of this.#dropouts) dropout.begin(uniform);
      const trainable = this.#variables.filter((_, i) => this.layout.variables[i]!.trainable);
      const state = this.#variables.filter((_, i) => !this.layout.variables[i]!.trainable);
      // Handles of their own on the values before: a layer that writes its state replaces the variable's value.
      const before = state.map((variable) => tf.clone(variable.read()));
      const { augment } = this.#objective;
      const examples = augment ? augmented(augment, features, this.dataset, uniform) : features;
      let correct: Scalar | null = null;
      const forward = () => {
        const outputs = this.#apply(examples, true);
        correct = this.#correct(outputs[0]!, labels);
        // Outlives the tape's scope, which drops all but the loss.
        if (correct) tf.keep(correct);
        const losses = [
          ...outputs.map((output, i) => this.#weighted(i, this.#losses(this.#objective, i, output, labels))),
          ...this.#model.calculateLosses(),
        ];
        return losses.reduce((sum, loss) => tf.add(sum, loss) as Scalar);
      };
      const variables = trainable.map((variable) => variable.read() as Variable);
      const { value, grads } = this.#gradients(forward, variables);
      const gradients = [
        ...variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable)),
        ...state.map((variable, i) => tf.sub(variable.read(), before[i]!)),
      ];
      const stats = tf.stack([value, correct ?? tf.scalar(0)]) as Tensor1D;
      tf.dispose(correct ?? []);
      return { gradients, stats };
    });
  }

  /**
   * float32 [2 + m]: summed loss and right answers of a batch, then the sums of its metrics (metric-sums.ts), of the main output; dropout off, batch normalisation by its
   * moving averages.
   */
  evaluate(parameters: Tensor[], features: Tensor, labels: Tensor): Tensor1D {
    return tf.tidy(() => {
      this.#assign(parameters);
      const output = this.#apply(features, false)[0]!;
      const correct = this.#correct(output, labels) ?? tf.scalar(0);
      const sums = tf.stack([tf.sum(this.#losses({}, 0, output, labels)), correct]) as Tensor1D;
      return tf.concat1d([sums, ...metricSums(this.#metrics, output, labels, this.dataset, this.#main.form)]);
    });
  }

  /** float32 [n, units]: what the model's main output is (probabilities where it ends in softmax or sigmoid). */
  predict(parameters: Tensor[], features: Tensor): Tensor2D {
    return tf.tidy(() => {
      this.#assign(parameters);
      const output = this.#apply(features, false)[0]!;
      if (!this.#main.removed) return output;
      return this.#loss === 'softmaxCrossEntropy' ? tf.softmax(output) : tf.sigmoid(output);
    });
  }

  dispose(): void {
    this.#model.dispose();
  }

  #gradients(forward: () => Scalar, variables: Variable[]): { value: Scalar; grads: Record<string, Tensor> } {
    // Nothing to learn (a model of frozen layers): tfjs refuses to differentiate.
    if (variables.length === 0) return { value: forward(), grads: {} };
    return tf.variableGrads(forward, variables);
  }

  get #main(): TrainedOutput {
    return this.#outputs[0]!;
  }

  /** All outputs. Where only the main one is used, a compiled graph leaves the others' ops away. */
  #apply(features: Tensor, training: boolean): Tensor2D[] {
    const outputs = this.#model.apply(features, { training }) as Tensor2D | Tensor2D[];
    return Array.isArray(outputs) ? outputs : [outputs];
  }

  #losses(objective: ObjectiveSpec, index: number, output: Tensor2D, labels: Tensor): Tensor1D {
    const { form } = this.#outputs[index]!;
    return objectiveOf(objective, { loss: this.#loss, form, dataset: this.dataset }, output, labels);
  }

  /** Mean loss of an output, times its weight. */
  #weighted(index: number, losses: Tensor1D): Scalar {
    const { weight } = this.#outputs[index]!;
    const mean = tf.mean(losses) as Scalar;
    return weight === 1 ? mean : (tf.mul(mean, weight) as Scalar);
  }

  #correct(output: Tensor2D, labels: Tensor): Scalar | null {
    return correctAnswers(output, labels, this.dataset, this.#main.form);
  }

  #assign(parameters: Tensor[]): void {
    parameters.forEach((value, i) => this.#variables[i]!.write(value));
  }
}
