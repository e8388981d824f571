import type { ParameterLayout } from '@downpour/contracts';
import type { SegmentModel } from '@downpour/models';
import { NotCompilable } from '../graph/recording.ts';
import { sharedVector } from '../shared-vectors.ts';
import { evaluationOf } from '../step/batch.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { CompiledSegment, type KeptForward } from './compiled-segment.ts';
import { EagerSegment } from './eager-segment.ts';
import type { HostForward, SegmentRows } from './segment-inputs.ts';

/** A forward that waits for its backward. */
interface Kept {
  backward(parameters: Float32Array, outputGradients: readonly Float32Array[], gradient: Float32Array): Float32Array[];
  drop(): void;
}

interface Open {
  model: SegmentModel;
  eager: EagerSegment;
  /** Null where all is to run op by op. */
  compiled: CompiledSegment | null;
  /** It could not be compiled. What was kept before may still be. */
  fellBack: boolean;
}

/** Runs the segments of one partition: compiled where they can be compiled, op by op where not. */
export class PartitionRunner {
  readonly #segments = new Map<number, Open>();
  readonly #kept = new Map<string, Kept>();
  #fellBack: string | null = null;

  constructor(tensorflow: TensorFlow, models: readonly SegmentModel[], layout: ParameterLayout, compile: boolean) {
    /** What graphs add to while they are made, and where the caller's own memory can not be used. */
    let scratch: Float32Array | null = null;
    const zeros = () => (scratch ??= sharedVector(layout.length)).fill(0);
    for (const model of models)
      this.#segments.set(model.segment.index, {
        model,
        eager: new EagerSegment(tensorflow, model, layout),
        compiled: compile ? new CompiledSegment(tensorflow, model, layout, zeros) : null,
        fellBack: false,
      });
  }

  /** Why segments run op by op although they were to be compiled; null otherwise. */
  get fellBack(): string | null {
    return this.#fellBack;
  }

  /** How many forwards wait for their backward. */
  get kept(): number {
    return this.#kept.size;
  }

  /** In training: what backward needs is kept. */
  forward(segment: number, microBatch: number, rows: SegmentRows): HostForward {
    const open = this.#open(segment);
    const key = `${segment} ${microBatch}`;
    this.#drop(key);
    const { result, kept } = this.#attempt(
      open,
      (compiled) => {
        const { result, kept } = compiled.forward(rows);
        return { result, kept: keptBy(compiled, kept) };
      },
      (eager) => ({ result: eager.forward(rows), kept: keptRows(eager, rows) }),
    );
    this.#kept.set(key, kept);
    return result;
  }

  /** Adds to `gradient`; gradients of the segment's inputs. */
  backward(
    segment: number,
    microBatch: number,
    parameters: Float32Array,
    outputGradients: readonly Float32Array[],
    gradient: Float32Array,
  ): Float32Array[] {
    this.#open(segment);
    const key = `${segment} ${microBatch}`;
    const kept = this.#kept.get(key);
    if (!kept) throw new Error(`Segment ${segment} has not been run forward for micro-batch ${microBatch}`);
    this.#kept.delete(key);
    return kept.backward(parameters, outputGradients, gradient);
  }

  /** Dropout off, batch normalisation by its averages; nothing is kept. */
  evaluate(segment: number, rows: SegmentRows): HostForward {
    const open = this.#open(segment);
    const values = this.#attempt(
      open,
      (compiled) => compiled.evaluate(rows),
      (eager) => eager.evaluate(rows),
    );
    const count = open.model.outputShapes.length;
    return {
      outputs: values.slice(0, count),
      loss: 0,
      correct: 0,
      evaluation: open.model.evaluates ? evaluationOf(values[count]!) : null,
    };
  }

  /** Drops what is kept. */
  forget(): void {
    for (const kept of this.#kept.values()) kept.drop();
    this.#kept.clear();
  }

  dispose(): void {
    this.forget();
    for (const { model, compiled } of this.#segments.values()) {
      compiled?.dispose();
      model.dispose();
    }
    this.#segments.clear();
  }

  #open(segment: number): Open {
    const open = this.#segments.get(segment);
    if (!open) throw new Error(`Segment ${segment} belongs to another partition`);
    return open;
  }

  #drop(key: string): void {
    this.#kept.get(key)?.drop();
    this.#kept.delete(key);
  }

  #attempt<Result>(
    open: Open,
    compiled: (segment: CompiledSegment) => Result,
    eager: (segment: EagerSegment) => Result,
  ): Result {
    if (!open.compiled || open.fellBack) return eager(open.eager);
    try {
      return compiled(open.compiled);
    } catch (error) {
      if (!(error instanceof NotCompilable)) throw error;
      this.#fellBack ??= error.message;
      open.fellBack = true;
      return eager(open.eager);
    }
  }
}

function keptBy(segment: CompiledSegment, kept: KeptForward): Kept {
  return {
    backward: (parameters, outputGradients, gradient) => segment.backward(kept, parameters, outputGradients, gradient),
    drop: () => segment.drop(kept),
  };
}

/** Op by op: what it takes to run forward again. The caller's memory is its own again once forward is done. */
function keptRows(segment: EagerSegment, rows: SegmentRows): Kept {
  const own = { ...rows, inputs: rows.inputs.map((values) => values.slice()) };
  return {
    backward: (parameters, outputGradients, gradient) =>
      segment.step({ ...own, parameters }, outputGradients, gradient),
    drop: () => undefined,
  };
}
