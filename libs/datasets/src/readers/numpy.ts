import { checkClassNumbers } from '../class-labels.ts';
import { checkFinite } from '../finite.ts';
import { invalidDataset } from '../invalid-dataset.ts';
import type { LoadedDataset, Split } from '../loaded-dataset.ts';
import type { DatasetFiles, DatasetReader, ReadingContext } from '../reader.ts';
import { openZip } from '../zip.ts';
import { parseNpy } from './numpy-array.ts';
import type { NumpyArray } from './numpy-array.ts';

/**
 * NumPy arrays: .npz with x and y (or x_train, y_train, x_test, y_test in one, as Keras ships its data sets), or .npy each.
 * uint8 stays uint8, every other type becomes float32. uint8 arrays [n, height, width] are grey images and get a channel axis.
 */
export const numpyReader: DatasetReader<'numpy'> = {
  fileSets: [
    { required: ['train'], optional: ['test'] },
    { required: ['train-x', 'train-y'], optional: ['test-x', 'test-y'] },
  ],
  read: async ({ labelKind, classes }, files, context) => {
    const { train, test } = files.has('train') ? await fromNpz(files, context) : fromNpy(files, context);
    return assemble(train, test, labelKind, classes);
  },
};

/** One split as found; names for messages. */
interface Pair {
  x: NumpyArray;
  y: NumpyArray;
  xName: string;
  yName: string;
}

const fromNpy = (files: DatasetFiles, { budget }: ReadingContext): { train: Pair; test: Pair | null } => {
  const pair = (split: string): Pair => {
    const [xName, yName] = [`${split}-x`, `${split}-y`];
    const array = (name: string): NumpyArray => {
      const bytes = files.get(name);
      if (bytes === undefined) throw invalidDataset(name, `is missing: a split needs both ${xName} and ${yName}`);
      budget.spend(bytes.byteLength, name);
      return parseNpy(bytes, name);
    };
    return { x: array(xName), y: array(yName), xName, yName };
  };
  return { train: pair('train'), test: files.has('test-x') || files.has('test-y') ? pair('test') : null };
};

const fromNpz = async (files: DatasetFiles, context: ReadingContext): Promise<{ train: Pair; test: Pair | null }> => {
  const arrays = await readNpz(files.get('train')!, 'train', context);
  const testFile = files.get('test');
  if (testFile !== undefined) {
    const testArrays = await readNpz(testFile, 'test', context);
    return { train: pairOf(arrays, 'x', 'y', 'train'), test: pairOf(testArrays, 'x', 'y', 'test') };
  }
  if (!arrays.has('x_train')) return { train: pairOf(arrays, 'x', 'y', 'train'), test: null };
  const test = arrays.has('x_test') ? pairOf(arrays, 'x_test', 'y_test', 'train') : null;
  return { train: pairOf(arrays, 'x_train', 'y_train', 'train'), test };
};

const pairOf = (arrays: Map<string, () => NumpyArray>, x: string, y: string, file: string): Pair => {
  const array = (name: string): NumpyArray => {
    const read = arrays.get(name);
    if (read === undefined) {
      throw invalidDataset(
        file,
        `has no array ${name}, only ${[...arrays.keys()].join(', ') || 'nothing'}: numpy.savez(file, x=..., y=...)`,
      );
    }
    return read();
  };
  return { x: array(x), y: array(y), xName: `${file}: ${x}`, yName: `${file}: ${y}` };
};

const readNpz = async (
  bytes: Uint8Array,
  file: string,
  { budget, limits }: ReadingContext,
): Promise<Map<string, () => NumpyArray>> => {
  const entries = await openZip(bytes, file, budget, limits);
  return new Map(
    entries.map(({ name, read }) => [name.replace(/\.npy$/, ''), () => parseNpy(read(), `${file}: ${name}`)]),
  );
};

const assemble = (train: Pair, test: Pair | null, labelKind: 'class' | 'number', told?: number): LoadedDataset => {
  const featureShape = shapeOfOne(train);
  if (test !== null && shapeOfOne(test).join() !== featureShape.join()) {
    throw invalidDataset(
      test.xName,
      `has examples of shape (${shapeOfOne(test).join(', ')}), ${train.xName} of (${featureShape.join(', ')})`,
    );
  }
  const trainFeatures = features(train, train.x.data instanceof Uint8Array);
  const featureType = trainFeatures instanceof Uint8Array ? 'uint8' : 'float32';
  if (test !== null && test.x.data instanceof Uint8Array !== (featureType === 'uint8')) {
    throw invalidDataset(
      test.xName,
      `must have values of the same type as ${train.xName} (uint8 is scaled, other types are not)`,
    );
  }
  const split = (pair: Pair, labels: Split['labels']): Split => ({
    count: pair.x.shape[0]!,
    features: pair === train ? trainFeatures : features(pair, featureType === 'uint8'),
    labels,
  });
  const empty = (labels: Split['labels']): Split => ({
    count: 0,
    features: featureType === 'uint8' ? new Uint8Array(0) : new Float32Array(0),
    labels,
  });
  const counts = { trainExamples: train.x.shape[0]!, testExamples: test?.x.shape[0] ?? 0 };
  if (labelKind === 'class') {
    for (const pair of test === null ? [train] : [train, test]) checkClassShape(pair);
    const classes = checkClassNumbers(
      { file: train.yName, values: train.y.data },
      test && { file: test.yName, values: test.y.data },
      told,
    );
    return {
      summary: { ...counts, featureShape, featureType, labelKind, classes, labelWidth: 1 },
      train: split(train, Int32Array.from(train.y.data)),
      test: test === null ? empty(new Int32Array(0)) : split(test, Int32Array.from(test.y.data)),
    };
  }
  const labelWidth = numbersPerLabel(train);
  if (test !== null && numbersPerLabel(test) !== labelWidth) {
    throw invalidDataset(test.yName, `has ${numbersPerLabel(test)} numbers a label, ${train.yName} has ${labelWidth}`);
  }
  return {
    summary: { ...counts, featureShape, featureType, labelKind, classes: 0, labelWidth },
    train: split(train, numbers(train, labelWidth)),
    test: test === null ? empty(new Float32Array(0)) : split(test, numbers(test, labelWidth)),
  };
};

/** Checks that x and y fit, too. */
const shapeOfOne = ({ x, y, xName, yName }: Pair): number[] => {
  if (x.shape.length === 0 || x.shape.some((size) => size === 0)) {
    throw invalidDataset(xName, `is empty: its shape is (${x.shape.join(', ')})`);
  }
  if (y.shape[0] !== x.shape[0]) {
    throw invalidDataset(yName, `has ${y.shape[0] ?? 'no'} labels, but ${xName} has ${x.shape[0]} examples`);
  }
  const sizes = x.shape.slice(1);
  if (sizes.length === 0) return [1];
  return x.data instanceof Uint8Array && sizes.length === 2 ? [...sizes, 1] : sizes;
};

const features = ({ x, xName }: Pair, asBytes: boolean): Split['features'] => {
  if (asBytes && x.data instanceof Uint8Array) return x.data;
  const values = x.data instanceof Float32Array ? x.data : Float32Array.from(x.data);
  checkFinite(values, values.length / x.shape[0]!, xName, 'the example');
  return values;
};

const checkClassShape = ({ y, yName }: Pair): void => {
  const width = numbersPerLabel({ y });
  if (width !== 1) {
    throw invalidDataset(
      yName,
      `has shape (${y.shape.join(', ')}); class labels are one whole number each (of one-hot rows, take numpy.argmax(y, 1))`,
    );
  }
};

const numbersPerLabel = ({ y }: Pick<Pair, 'y'>): number =>
  y.shape.slice(1).reduce((product, size) => product * size, 1);

const numbers = ({ y, yName }: Pair, width: number): Float32Array<ArrayBuffer> => {
  const values = Float32Array.from(y.data);
  checkFinite(values, width, yName, 'the label');
  return values;
};
