import type { ParameterLayout } from '@downpour/contracts';
import type { SegmentModel } from '@downpour/models';
import { eagerTensors } from '../step/step-inputs.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import { addTo, forwardOf, SegmentInputs, type HostForward, type SegmentRows } from './segment-inputs.ts';

/** Runs a segment op by op. Nothing is kept between forward and backward: backward runs forward again. */
export class EagerSegment {
  readonly #tensorflow: TensorFlow;
  readonly #model: SegmentModel;
  readonly #layout: ParameterLayout;
  readonly #inputs: SegmentInputs;

  constructor(tensorflow: TensorFlow, model: SegmentModel, layout: ParameterLayout) {
    this.#tensorflow = tensorflow;
    this.#model = model;
    this.#layout = layout;
    this.#inputs = new SegmentInputs(tensorflow, model, layout);
  }

  forward(rows: SegmentRows): HostForward {
    return tidied(this.#tensorflow, () => {
      const tensors = eagerTensors(this.#tensorflow, this.#inputs.forward(rows));
      const { outputs, stats } = this.#model.forward(...this.#inputs.forwardTensors(tensors, rows));
      return forwardOf([stats, ...outputs].map((tensor) => tensor.dataSync<'float32'>()));
    });
  }

  /** Forward and backward in one. Adds to `gradient`; gradients of the segment's inputs. */
  step(rows: SegmentRows, outputGradients: readonly Float32Array[], gradient: Float32Array): Float32Array[] {
    return tidied(this.#tensorflow, () => {
      const tensors = eagerTensors(this.#tensorflow, {
        ...this.#inputs.forward(rows),
        ...this.#inputs.outputGradients(outputGradients, rows.batch.count),
      });
      const { gradients, inputGradients } = this.#model.step(...this.#inputs.stepTensors(tensors, rows));
      this.#model.variables.forEach((place, i) =>
        addTo(gradient, gradients[i]!.dataSync<'float32'>(), this.#layout.variables[place]!.offset),
      );
      return inputGradients.map((tensor) => tensor.dataSync<'float32'>());
    });
  }

  /** The segment's outputs, then the sums of the loss, where it evaluates. */
  evaluate(rows: SegmentRows): Float32Array[] {
    return tidied(this.#tensorflow, () => {
      const tensors = eagerTensors(this.#tensorflow, this.#inputs.forward(rows));
      const [parameters, given] = this.#inputs.forwardTensors(tensors, rows);
      const { outputs, sums } = this.#model.evaluate(parameters, given);
      return [...outputs, ...(sums ? [sums] : [])].map((tensor) => tensor.dataSync<'float32'>());
    });
  }
}
