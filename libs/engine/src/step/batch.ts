/** One batch on the host. */
export interface Batch {
  count: number;
  /** uint8 or float32, [count, ...featureShape]; uint8 is divided by 255 in the step. */
  features: Uint8Array | Float32Array;
  /** int32 [count] or float32 [count, labelWidth]. */
  labels: Int32Array | Float32Array;
}

export interface HostStep {
  /** float32 [layout.length]: trainable part a gradient, state part a delta. */
  gradient: Float32Array;
  loss: number;
  correct: number;
}

export interface HostEvaluation {
  lossSum: number;
  correct: number;
  /** Of the model's metrics (libs/models, metric-sums.ts). */
  sums: Float32Array;
}

/** Two ways to run a model's steps: op by op, and as a TensorFlow graph. Same numbers. */
export interface StepRunner {
  /** `gradient` is filled and returned. */
  step(parameters: Float32Array, batch: Batch, seed: number, gradient?: Float32Array): HostStep;
  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation;
  /** float32 [count, units]: what the model puts out. Labels are not read. */
  predict(parameters: Float32Array, batch: Batch): Float32Array;
}

/** Rows [begin, end) of examples: views. */
export function batchOf({ count, features, labels }: Batch, begin: number, end: number): Batch {
  return {
    count: end - begin,
    features: rowsOf(features, count, begin, end),
    labels: rowsOf(labels, count, begin, end),
  };
}

/** Rows [begin, end) of `count`, as a view. */
export function rowsOf<Values extends Uint8Array | Float32Array | Int32Array>(
  values: Values,
  count: number,
  begin: number,
  end: number,
): Values {
  const width = values.length / count;
  return values.subarray(begin * width, end * width) as Values;
}

/** What TrainingModel.evaluate puts out, on the host. */
export function evaluationOf(values: Float32Array): HostEvaluation {
  return { lossSum: values[0]!, correct: values[1]!, sums: values.slice(2) };
}
