import type { DatasetSpec, JobSpecInput } from '@downpour/contracts';
import { npy } from './npy.ts';
import { refusal } from './refusal.ts';
import type { LayersModelLike, NumericArray, TensorLike } from './tensorflow.ts';

type Loss = NonNullable<JobSpecInput['loss']>;

/**
 * Examples and what they should come to. Of a tensor, the first axis counts examples. Of a typed array, examples follow each other, each
 * of the model's input shape. Values go to the model as they are.
 */
export interface Examples {
  xs: TensorLike | NumericArray;
  /** Classes: numbers from 0, or one-hot rows. Else the numbers that the model should put out. */
  ys: TensorLike | NumericArray;
}

interface Rows {
  count: number;
  shape: number[];
  values: Float32Array;
}

/** An upload of the format `numpy`. */
export interface DatasetUpload {
  spec: DatasetSpec;
  files: Record<string, Blob>;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1);

/** @throws DownpourError invalid-request when the examples do not fit the model or the loss */
export async function datasetUpload(
  model: LayersModelLike,
  train: Examples,
  loss: Loss,
  options: { name: string; validationData?: Examples | undefined; validationSplit?: number | undefined },
): Promise<DatasetUpload> {
  const { validationData, validationSplit = 0 } = options;
  if (!(validationSplit >= 0 && validationSplit < 1))
    throw refusal(
      'validationSplit',
      `validationSplit is ${validationSplit}; it should be a share from 0 up to 1, without 1`,
    );
  const units = model.outputs[0]?.shape.at(-1) ?? 1;
  const all = await splitOf(model, train, 'dataset');
  const tested = validationData === undefined ? null : await splitOf(model, validationData, 'validationData');
  const held = tested === null ? Math.floor(all.xs.count * validationSplit) : 0;
  const [training, test] = held > 0 ? cut(all, all.xs.count - held) : [all, tested];
  const classes = loss === 'softmaxCrossEntropy' || (loss === 'sigmoidCrossEntropy' && units === 1);
  const label = (rows: Rows, field: string): Blob =>
    classes ? classLabels(rows, units, field) : npy(rows.values, rows.shape);
  return {
    spec: {
      name: options.name,
      format: 'numpy',
      labelKind: classes ? 'class' : 'number',
      ...(classes ? { classes: Math.max(units, 2) } : {}),
    },
    files: {
      'train-x': npy(training.xs.values, training.xs.shape),
      'train-y': label(training.ys, 'dataset.ys'),
      ...(test === null
        ? {}
        : { 'test-x': npy(test.xs.values, test.xs.shape), 'test-y': label(test.ys, 'validationData.ys') }),
    },
  };
}

interface Split {
  xs: Rows;
  ys: Rows;
}

async function splitOf(model: LayersModelLike, { xs, ys }: Examples, field: string): Promise<Split> {
  const input = (model.inputs[0]?.shape ?? []).slice(1).map((size) => size ?? 1);
  const features = await rowsOf(xs, input, `${field}.xs`);
  if (sizeOf(features.shape.slice(1)) !== sizeOf(input))
    throw refusal(
      `${field}.xs`,
      `The model reads examples of shape [${input.join(', ')}], those of ${field}.xs have shape [${features.shape.slice(1).join(', ')}]`,
    );
  const labels = await rowsOf(ys, null, `${field}.ys`, features.count);
  if (labels.count !== features.count)
    throw refusal(`${field}.ys`, `${field}.xs has ${features.count} examples, ${field}.ys has ${labels.count}`);
  return { xs: features, ys: labels };
}

/** `shape`: of one row of a typed array; null: what `count` rows leave for each. */
async function rowsOf(
  data: TensorLike | NumericArray,
  shape: readonly number[] | null,
  field: string,
  count = 0,
): Promise<Rows> {
  if (isTensor(data)) {
    if (data.shape.length === 0 || sizeOf(data.shape) === 0)
      throw refusal(field, `${field} is empty: its shape is [${data.shape.join(', ')}]`);
    if (data.dtype === 'string') throw refusal(field, `${field} is of text: numbers are needed`);
    const values = Float32Array.from((await data.data()) as ArrayLike<number>);
    return { count: data.shape[0]!, shape: [...data.shape], values };
  }
  if (!ArrayBuffer.isView(data) || data instanceof DataView)
    throw refusal(field, `${field} should be a tensor or a typed array, such as a Float32Array`);
  if (data.length === 0) throw refusal(field, `${field} is empty`);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  const one = shape === null ? data.length / count : sizeOf(shape);
  const rows = data.length / one;
  if (!Number.isInteger(rows) || !Number.isInteger(one))
    throw refusal(field, `${field} has ${data.length} values: that is no whole number for each example`);
  return { count: rows, shape: [rows, ...(shape ?? (one === 1 ? [] : [one]))], values };
}

function isTensor(data: unknown): data is TensorLike {
  const { shape, data: read } = (data ?? {}) as { shape?: unknown; data?: unknown };
  return Array.isArray(shape) && typeof read === 'function';
}

/** As Keras does: the last rows, before anything is shuffled. */
function cut({ xs, ys }: Split, at: number): [Split, Split] {
  const part = ({ values, shape, count }: Rows, from: number, to: number): Rows => {
    const one = values.length / count;
    return { count: to - from, shape: [to - from, ...shape.slice(1)], values: values.subarray(from * one, to * one) };
  };
  return [
    { xs: part(xs, 0, at), ys: part(ys, 0, at) },
    { xs: part(xs, at, xs.count), ys: part(ys, at, ys.count) },
  ];
}

/** Class numbers; one-hot rows as wide as the model's output become numbers. */
function classLabels({ values, count }: Rows, units: number, field: string): Blob {
  const width = values.length / count;
  if (width === 1) return npy(Int32Array.from(values, whole(field)), [count]);
  if (width !== units)
    throw refusal(
      field,
      `${field} has ${width} numbers for each example, the model has ${units} outputs: give class numbers or one-hot rows`,
    );
  const classes = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const hot = values.subarray(row * width, (row + 1) * width);
    const at = hot.indexOf(1);
    if (at < 0 || hot.some((value, index) => value !== (index === at ? 1 : 0)))
      throw refusal(
        field,
        `Row ${row} of ${field} is not one-hot: labels that are spread over classes cannot be trained (see \`labelSmoothing\`)`,
      );
    classes[row] = at;
  }
  return npy(classes, [count]);
}

const whole =
  (field: string) =>
  (value: number, row: number): number => {
    if (Number.isInteger(value) && value >= 0) return value;
    throw refusal(field, `Row ${row} of ${field} is ${value}: classes are whole numbers from 0`);
  };
