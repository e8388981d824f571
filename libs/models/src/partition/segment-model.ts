import type { DatasetSummary, ParameterLayout, Segment } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { LayersModel, Scalar, Tensor, Tensor1D, Tensor2D, TensorContainer } from '@tensorflow/tfjs';
import { augmented } from '../augment.ts';
import { modelFromTopology } from '../build-model.ts';
import { freezeAverages } from '../freeze-averages.ts';
import { objectiveOf } from '../losses/objective.ts';
import type { OutputForm } from '../losses/output-form.ts';
import { correctAnswers } from '../metrics/accuracy.ts';
import { metricSums } from '../metrics/metric-tensors.ts';
import { variablesOf, type LayerVariable } from '../parameter-layout.ts';
import { SeededDropout, type UniformSource } from '../seeded-dropout.ts';
import { functionalOf } from '../topology/functional.ts';
import { inputShapeOf, outputLayersOf, type Topology } from '../topology/topology.ts';
import { trainingTopology } from '../topology/training-topology.ts';
import type { LossKind } from '../losses/loss-kind.ts';
import type { ObjectiveSpec } from '../losses/objective.ts';
import type { MetricsSpec } from '../metrics/metric-sums.ts';
import { layerShapes } from './layer-shapes.ts';
import { segmentTopology } from './segment-topology.ts';
import { segmentsOf, type Assignment } from './segments.ts';

/** What a partition's segments are made of. */
export interface PartitionPlan {
  /** Of the whole model. */
  topology: Topology;
  assignment: Assignment;
  partition: number;
  /** Of the partition's own variables. */
  layout: ParameterLayout;
  dataset: DatasetSummary;
  loss: LossKind;
  metrics: MetricsSpec;
  objective: ObjectiveSpec;
}

/** What a segment is made of, whichever partition is whose. */
type SegmentPlan = Omit<PartitionPlan, 'partition' | 'layout'>;

/** Tensors that a segment reads. */
export interface SegmentTensors {
  /** float32 [n, ...inputShape]; needed where the segment readsFeatures. */
  features: Tensor | null;
  /** In the order of segment.inputs, float32 [n, ...shape]. */
  inputs: Tensor[];
  /** Needed where the segment holdsLoss. */
  labels: Tensor | null;
}

export interface SegmentForward {
  /** In the order of segment.outputs, float32. */
  outputs: Tensor[];
  /** float32 [2]: weighted loss (regularisers included), right answers. */
  stats: Tensor1D;
}

export interface SegmentStep extends SegmentForward {
  /** For each of the segment's variables: its gradient, or what a state variable changes by, both weighted. */
  gradients: Tensor[];
  /** For each of its inputs; zeros where it does not depend on it. */
  inputGradients: Tensor[];
}

/** An output of the model that a segment holds. */
interface HeldOutput {
  form: OutputForm;
  weight: number;
  /** The model's first output: evaluations and right answers are of it alone. */
  main: boolean;
}

/** How rows of a batch are trained: `weight` is their share of the batch's rows, a scalar; `uniform` gives dropout its numbers. */
export interface SegmentTraining {
  weight: Scalar;
  uniform: UniformSource;
}

/**
 * A segment of a model that is cut, as it is trained: as TrainingModel is for a whole one, a function in tfjs ops alone. Losses and gradients are weighted by the rows' share of
 * the batch, so that the sums over micro-batches, segments and partitions are those of the uncut model.
 */
export class SegmentModel {
  readonly segment: Segment;
  /** Of its partition's variables. */
  readonly layout: ParameterLayout;
  /** Places of the segment's variables in the layout. */
  readonly variables: readonly number[];
  /** Shape of one example at the model's input. */
  readonly inputShape: readonly number[];
  /** Whether features are indices, which are read as they are. */
  readonly readsIndices: boolean;
  /** Shapes of one example. */
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShapes: readonly (readonly number[])[];
  readonly #plan: SegmentPlan;
  readonly #model: LayersModel;
  /** In the model's order. */
  readonly #answers: readonly HeldOutput[];
  readonly #variables: LayerVariable[];
  readonly #trainable: boolean[];
  readonly #dropouts: SeededDropout[];

  private constructor(
    plan: SegmentPlan,
    layout: ParameterLayout,
    segment: Segment,
    model: LayersModel,
    answers: readonly HeldOutput[],
    shapes: Readonly<Record<string, readonly number[]>>,
  ) {
    this.segment = segment;
    this.layout = layout;
    this.#plan = plan;
    this.#model = model;
    this.#answers = answers;
    this.inputShape = inputShapeOf(plan.topology) ?? plan.dataset.featureShape;
    this.readsIndices = plan.topology.config.layers.some(({ class_name }) => class_name === 'Embedding');
    this.inputShapes = segment.inputs.map((name) => shapes[name]!);
    this.outputShapes = segment.outputs.map((name) => shapes[name]!);
    this.#variables = variablesOf(model);
    const places = new Map(layout.variables.map(({ name }, i) => [name, i]));
    this.variables = this.#variables.map(({ originalName }) => {
      const place = places.get(originalName);
      if (place === undefined) throw new Error(`Variable ${originalName} is not in partition ${segment.partition}`);
      return place;
    });
    this.#trainable = this.variables.map((place) => layout.variables[place]!.trainable);
    for (const layer of model.layers) freezeAverages(layer);
    this.#dropouts = model.layers.filter((layer): layer is SeededDropout => layer instanceof SeededDropout);
  }

  /** The segments of the plan's partition. @throws DownpourError invalid-model */
  static async open(plan: PartitionPlan): Promise<SegmentModel[]> {
    const own: SegmentModel[] = [];
    const layoutOf = ({ partition }: Segment) => (partition === plan.partition ? plan.layout : null);
    for await (const model of SegmentModel.each(plan, layoutOf)) own.push(model);
    return own;
  }

  /** One segment after the other; each is the caller's to dispose. `layoutOf`: of the segment's partition; null where it is not wanted. @throws DownpourError invalid-model */
  static async *each(
    plan: SegmentPlan,
    layoutOf: (segment: Segment) => ParameterLayout | null,
  ): AsyncGenerator<SegmentModel> {
    const { topology: twin, outputs } = trainingTopology(functionalOf(plan.topology), plan.loss);
    const names = outputLayersOf(twin).map(({ config }) => config.name);
    const answers = outputs.map(({ form }, i) => ({ form, weight: twin.loss_weights?.[i] ?? 1, main: i === 0 }));
    const shapes = await layerShapes(twin);
    for (const segment of segmentsOf(twin, plan.assignment)) {
      const layout = layoutOf(segment);
      if (!layout) continue;
      const model = await modelFromTopology(segmentTopology(twin, segment, shapes));
      const held = answers.filter((_, i) => segment.layers.includes(names[i]!));
      yield new SegmentModel(plan, layout, segment, model, held, shapes);
    }
  }

  /** Whether it holds the output that evaluations are of. */
  get evaluates(): boolean {
    return this.#answers[0]?.main ?? false;
  }

  get dataset(): DatasetSummary {
    return this.#plan.dataset;
  }

  /** `parameters`: a tensor for each of `variables`, in their order. */
  forward(parameters: Tensor[], tensors: SegmentTensors, training: SegmentTraining): SegmentForward {
    return tidied(() => {
      this.#assign(parameters);
      const { outputs, stats } = this.#forward(tensors, training);
      return { outputs, stats };
    });
  }

  /**
   * Forward and backward in one. `outputGradients`: of the batch's loss, for each of the outputs, as the segments that read them put them out (summed up where several do).
   */
  step(
    parameters: Tensor[],
    tensors: SegmentTensors,
    outputGradients: Tensor[],
    training: SegmentTraining,
  ): SegmentStep {
    return tidied(() => {
      this.#assign(parameters);
      const values = this.#variables.map((variable) => variable.read());
      // Handles of their own on the values before: a layer that writes its state replaces the variable's value.
      const before = values.map((value, i) => (this.#trainable[i] ? null : tf.clone(value)));
      const variables = values.filter((_, i) => this.#trainable[i]);
      let kept: Tensor[] = [];
      const total = () => {
        const { outputs, stats, loss } = this.#forward(tensors, training);
        // They outlive the tape's scope, which drops all but its result.
        kept = [...outputs, stats].map((tensor) => tf.keep(tensor));
        const terms = outputs.map((output, i) => pulledBy(output, outputGradients[i]!));
        return [...terms, ...(loss ? [loss] : [])].reduce((sum, term) => tf.add(sum, term), tf.scalar(0)) as Scalar;
      };
      const gradients = gradientsOf(total, [...variables, ...tensors.inputs]);
      const [stats, ...outputs] = [kept.at(-1)!, ...kept.slice(0, -1)].map((tensor) => tf.clone(tensor));
      tf.dispose(kept);
      let trained = 0;
      return {
        outputs,
        stats: stats as Tensor1D,
        gradients: this.#variables.map((variable, i) =>
          this.#trainable[i] ? gradients[trained++]! : tf.mul(tf.sub(variable.read(), before[i]!), training.weight),
        ),
        inputGradients: gradients.slice(variables.length),
      };
    });
  }

  /** `sums`: as TrainingModel.evaluate has them; null where the segment does not hold the loss. Dropout off, batch normalisation by its moving averages. */
  evaluate(parameters: Tensor[], tensors: SegmentTensors): { outputs: Tensor[]; sums: Tensor1D | null } {
    return tidied(() => {
      this.#assign(parameters);
      const { crossing, answers } = this.#apply(tensors, false);
      if (!this.evaluates) return { outputs: crossing, sums: null };
      const [held, answer] = [this.#answers[0]!, answers[0]!];
      const { metrics, dataset } = this.#plan;
      const labels = tensors.labels!;
      const losses = this.#losses({}, held, answer, labels);
      const sums = tf.stack([tf.sum(losses), this.#correct(answers, labels) ?? tf.scalar(0)]) as Tensor1D;
      return {
        outputs: crossing,
        sums: tf.concat1d([sums, ...metricSums(metrics, answer, labels, dataset, held.form)]),
      };
    });
  }

  dispose(): void {
    this.#model.dispose();
  }

  #forward(tensors: SegmentTensors, { weight, uniform }: SegmentTraining): SegmentForward & { loss: Scalar | null } {
    for (const dropout of this.#dropouts) dropout.begin(uniform);
    const { augment } = this.#plan.objective;
    const { features } = tensors;
    // Every segment that reads them sees them changed alike.
    const seen = augment && features ? augmented(augment, features, this.#plan.dataset, uniform) : features;
    const { crossing, answers } = this.#apply({ ...tensors, features: seen }, true);
    const labels = tensors.labels!;
    const losses = [
      ...answers.map((answer, i) => {
        const held = this.#answers[i]!;
        return tf.mul(tf.mean(this.#losses(this.#plan.objective, held, answer, labels)), held.weight) as Scalar;
      }),
      ...this.#model.calculateLosses(),
    ];
    const correct = this.#correct(answers, labels);
    const loss =
      losses.length === 0
        ? null
        : (tf.mul(
            losses.reduce((sum, each) => tf.add(sum, each) as Scalar),
            weight,
          ) as Scalar);
    const stats = tf.stack([loss ?? tf.scalar(0), correct ?? tf.scalar(0)]) as Tensor1D;
    return { outputs: crossing, stats, loss };
  }

  #apply({ features, inputs }: SegmentTensors, training: boolean): { crossing: Tensor[]; answers: Tensor2D[] } {
    const given = this.segment.readsFeatures ? [features!, ...inputs] : inputs;
    const result = this.#model.apply(given.length === 1 ? given[0]! : given, { training }) as Tensor | Tensor[];
    const all = Array.isArray(result) ? result : [result];
    const { length } = this.segment.outputs;
    return {
      crossing: all.slice(0, length).map((output) => tf.cast(output, 'float32')),
      answers: all.slice(length) as Tensor2D[],
    };
  }

  #losses(objective: ObjectiveSpec, { form }: HeldOutput, answer: Tensor2D, labels: Tensor): Tensor1D {
    const { loss, dataset } = this.#plan;
    return objectiveOf(objective, { loss, form, dataset }, answer, labels);
  }

  /** Of the main output, where it is here. */
  #correct(answers: readonly Tensor2D[], labels: Tensor): Scalar | null {
    return this.evaluates ? correctAnswers(answers[0]!, labels, this.#plan.dataset, this.#answers[0]!.form) : null;
  }

  #assign(parameters: Tensor[]): void {
    parameters.forEach((value, i) => this.#variables[i]!.write(value));
  }
}

/** `tf.tidy`, for results of other types than its own. */
function tidied<Result>(body: () => Result): Result {
  return tf.tidy(body as () => TensorContainer) as Result;
}

/** A zero whose gradient by `output` is `gradient`: what the segments behind an output pull it by. */
function pulledBy(output: Tensor, gradient: Tensor): Scalar {
  const pull = tf.customGrad(() => ({ value: tf.scalar(0), gradFunc: () => tf.clone(gradient) }));
  return pull(output) as Scalar;
}

/** Of a scalar by each of `xs`; zeros where it does not depend on it. */
function gradientsOf(total: () => Scalar, xs: Tensor[]): Tensor[] {
  if (xs.length === 0) {
    total();
    return [];
  }
  const { grads } = tf.engine().gradients(total, xs, undefined, true);
  return grads.map((gradient, i) => gradient ?? tf.zerosLike(xs[i]!));
}
