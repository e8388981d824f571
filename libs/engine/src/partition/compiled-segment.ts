import type { ParameterLayout } from '@downpour/contracts';
import type { SegmentModel } from '@downpour/models';
import { CompiledGraph } from '../graph/compiled-graph.ts';
import { GraphCache } from '../graph/graph-cache.ts';
import { record } from '../graph/record.ts';
import { NotCompilable } from '../graph/recording.ts';
import { gradientInputs, gradientOf, piecesOf, writeGradients, type GradientPiece } from '../step/gradient-pieces.ts';
import type { HostTensor } from '../step/step-inputs.ts';
import { addInto, usedInPlace } from '../tensorflow/in-place.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import { dropKept, SegmentGraphs, type KeptTensors } from './segment-graphs.ts';
import { addTo, forwardOf, SegmentInputs, sizeOf, type HostForward, type SegmentRows } from './segment-inputs.ts';

/** Graphs kept for a segment: full and short micro-batches, of training and of evaluation. */
const GRAPHS = 8;

/** Between a forward and its backward: what the one made, and the other reads. */
export interface KeptForward {
  graphs: SegmentGraphs;
  tensors: KeptTensors;
  rows: number;
}

/** Runs a segment as TensorFlow graphs. */
export class CompiledSegment {
  readonly #tensorflow: TensorFlow;
  readonly #model: SegmentModel;
  readonly #inputs: SegmentInputs;
  readonly #pieces: readonly GradientPiece[];
  /** Those that are added on the host. */
  readonly #loose: readonly GradientPiece[];
  readonly #graphs = new GraphCache<SegmentGraphs>(GRAPHS);
  readonly #evaluations = new GraphCache<CompiledGraph>(GRAPHS);
  readonly #zeros: () => Float32Array;

  /** `zeros`: memory of the layout's length that is used until the call that asked for it returns. */
  constructor(tensorflow: TensorFlow, model: SegmentModel, layout: ParameterLayout, zeros: () => Float32Array) {
    this.#tensorflow = tensorflow;
    this.#model = model;
    this.#inputs = new SegmentInputs(tensorflow, model, layout);
    this.#pieces = piecesOf(layout, model.variables);
    this.#loose = this.#pieces.filter(({ inPlace }) => !inPlace);
    this.#zeros = zeros;
  }

  /** @throws NotCompilable */
  forward(rows: SegmentRows): { result: HostForward; kept: KeptForward } {
    const inputs = this.#inputs.forward(rows);
    const graphs = this.#graphs.get(sizeAndKind(rows), () => this.#make(rows, inputs));
    const { values, kept: tensors } = graphs.forward(inputs);
    return { result: forwardOf(values as Float32Array[]), kept: { graphs, tensors, rows: rows.batch.count } };
  }

  /** Adds to `gradient`; gradients of the segment's inputs. */
  backward(
    { graphs, tensors, rows }: KeptForward,
    parameters: Float32Array,
    outputGradients: readonly Float32Array[],
    gradient: Float32Array,
  ): Float32Array[] {
    const { binding } = this.#tensorflow.backend;
    const inPlace = usedInPlace(binding, gradient);
    const into = inPlace ? gradient : this.#zeros();
    const results = graphs.backward(tensors, {
      ...this.#inputs.parameters(parameters),
      ...this.#inputs.outputGradients(outputGradients, rows),
      ...gradientInputs(binding, this.#pieces, into),
    }) as Float32Array[];
    const inputs = results.slice(0, this.#model.inputShapes.length);
    this.#loose.forEach(({ offset }, i) => addTo(gradient, results[inputs.length + i]!, offset));
    if (!inPlace)
      for (const { offset, length } of this.#pieces.filter((piece) => piece.inPlace))
        addTo(gradient, into.subarray(offset, offset + length), offset);
    return inputs;
  }

  /** The segment's outputs, then the sums of the loss, where it evaluates. @throws NotCompilable */
  evaluate(rows: SegmentRows): Float32Array[] {
    const { backend } = this.#tensorflow;
    const inputs = this.#inputs.forward(rows);
    const graph = this.#evaluations.get(sizeAndKind(rows), () => {
      const recording = tidied(this.#tensorflow, () =>
        record(backend, inputs, (tensors) => {
          const [parameters, given] = this.#inputs.forwardTensors(tensors, rows);
          const { outputs, sums } = this.#model.evaluate(parameters, given);
          return { outputs: [...outputs, ...(sums ? [sums] : [])] };
        }),
      );
      const made = new CompiledGraph(backend.binding, recording);
      made.tryOut(inputs);
      return made;
    });
    return graph.run(inputs) as Float32Array[];
  }

  drop({ tensors }: KeptForward): void {
    dropKept(this.#tensorflow.backend.binding, tensors);
  }

  dispose(): void {
    this.#graphs.dispose();
    this.#evaluations.dispose();
  }

  /** Records forward and backward once, on these rows and gradients of nothing. */
  #make(rows: SegmentRows, inputs: Record<string, HostTensor>): SegmentGraphs {
    const { backend } = this.#tensorflow;
    const { outputShapes } = this.#model;
    const { count } = rows.batch;
    const zeros = outputShapes.map((shape) => new Float32Array(sizeOf(shape, count)));
    const again = {
      ...this.#inputs.outputGradients(zeros, count),
      ...gradientInputs(backend.binding, this.#pieces, this.#zeros()),
    };
    const recording = tidied(this.#tensorflow, () =>
      record(backend, { ...inputs, ...again }, (tensors) => {
        const { stats, outputs, inputGradients, gradients } = this.#model.step(
          ...this.#inputs.stepTensors(tensors, rows),
        );
        const loose = this.#loose.map((piece) => gradientOf(this.#tensorflow, piece, gradients));
        return {
          outputs: [stats, ...outputs, ...inputGradients, ...loose],
          effects: writeGradients(this.#tensorflow, this.#pieces, tensors, gradients, addInto),
        };
      }),
    );
    const graphs = new SegmentGraphs(
      backend.binding,
      recording,
      1 + outputShapes.length,
      (name) => name in again || name.startsWith('parameter_'),
    );
    // TensorFlow optimizes the graphs and looks for kernels in their first run.
    try {
      const { kept } = graphs.forward(inputs);
      graphs.backward(kept, { ...inputs, ...again });
    } catch (error) {
      graphs.dispose();
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotCompilable(`TensorFlow could not run the graph: ${reason}`, { cause: error });
    }
    return graphs;
  }
}

/** A graph is of one number of rows and one type of features. */
function sizeAndKind({ batch: { count, features } }: SegmentRows): string {
  return `${count} ${features instanceof Uint8Array}`;
}
