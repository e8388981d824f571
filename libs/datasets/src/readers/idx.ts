import { checkClassNumbers } from '../class-labels.ts';
import { gunzipIfNeeded } from '../inflate.ts';
import { invalidDataset } from '../invalid-dataset.ts';
import type { ByteBudget } from '../limits.ts';
import type { Split } from '../loaded-dataset.ts';
import type { DatasetFiles, DatasetReader } from '../reader.ts';

/** IDX, the format of MNIST: unsigned bytes with up to four dimensions, gzip allowed. Images keep their bytes. */
export const idxReader: DatasetReader<'idx'> = {
  fileSets: [{ required: ['train-images', 'train-labels'], optional: ['test-images', 'test-labels'] }],
  read: async (_spec, files, { budget }) => {
    const train = readSplit(files, 'train', budget);
    const test = files.has('test-images') || files.has('test-labels') ? readSplit(files, 'test', budget) : null;
    if (test !== null && test.featureShape.join() !== train.featureShape.join()) {
      throw invalidDataset(
        'test-images',
        `its images are ${test.featureShape.join(' x ')}, those of train-images ${train.featureShape.join(' x ')}`,
      );
    }
    const classes = checkClassNumbers(
      { file: 'train-labels', values: train.labels },
      test && { file: 'test-labels', values: test.labels },
    );
    return {
      summary: {
        trainExamples: train.count,
        testExamples: test?.count ?? 0,
        featureShape: train.featureShape,
        featureType: 'uint8',
        labelKind: 'class',
        classes,
        labelWidth: 1,
      },
      train: splitOf(train),
      test: test === null ? { count: 0, features: new Uint8Array(0), labels: new Int32Array(0) } : splitOf(test),
    };
  },
};

interface IdxSplit extends Split {
  featureShape: number[];
}

const splitOf = ({ count, features, labels }: IdxSplit): Split => ({ count, features, labels });

const readSplit = (files: DatasetFiles, split: 'train' | 'test', budget: ByteBudget): IdxSplit => {
  const [imagesFile, labelsFile] = [`${split}-images`, `${split}-labels`];
  const [images, labels] = [files.get(imagesFile), files.get(labelsFile)];
  if (images === undefined) throw invalidDataset(imagesFile, `is missing, but ${labelsFile} is there`);
  if (labels === undefined) throw invalidDataset(labelsFile, `is missing, but ${imagesFile} is there`);
  const pixels = parseIdx(images, imagesFile, [2, 3, 4], budget);
  const classes = parseIdx(labels, labelsFile, [1], budget);
  const count = pixels.shape[0]!;
  if (classes.shape[0] !== count) {
    throw invalidDataset(labelsFile, `has ${classes.shape[0]} labels, but ${imagesFile} has ${count} images`);
  }
  const sizes = pixels.shape.slice(1);
  return {
    count,
    // Grey images have one channel that the file does not write.
    featureShape: sizes.length === 2 ? [...sizes, 1] : sizes,
    features: pixels.data,
    labels: Int32Array.from(classes.data),
  };
};

const UNSIGNED_BYTE = 0x08;

/** An IDX array of unsigned bytes. @throws DownpourError invalid-dataset: what was expected and what was found. */
export const parseIdx = (
  raw: Uint8Array,
  file: string,
  dimensions: readonly number[],
  budget: ByteBudget,
): { shape: number[]; data: Uint8Array<ArrayBuffer> } => {
  const bytes = gunzipIfNeeded(raw, file, budget);
  const wanted = `an IDX file of unsigned bytes with ${dimensions.join(' or ')} dimension${dimensions.join() === '1' ? '' : 's'}`;
  if (bytes.byteLength < 4) {
    throw invalidDataset(file, `has ${bytes.byteLength} bytes; ${wanted} begins with 4 bytes of magic number`);
  }
  const [zero, alsoZero, type, rank] = bytes as unknown as [number, number, number, number];
  if (zero !== 0 || alsoZero !== 0 || type !== UNSIGNED_BYTE || !dimensions.includes(rank)) {
    const magics = dimensions.map((count) => `0x0000080${count}`).join(' or ');
    const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    throw invalidDataset(file, `begins with 0x${found}; ${wanted} begins with ${magics}`);
  }
  const headerBytes = 4 + 4 * rank;
  if (bytes.byteLength < headerBytes) {
    throw invalidDataset(file, `ends within its header: ${headerBytes} bytes expected, ${bytes.byteLength} found`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (shape.some((size) => size === 0)) {
    throw invalidDataset(file, `is empty: its shape is ${shape.join(' x ')}`);
  }
  const expectedBytes = headerBytes + shape.reduce((product, size) => product * size, 1);
  if (bytes.byteLength !== expectedBytes) {
    const verdict = bytes.byteLength < expectedBytes ? 'is cut off' : 'has something after its data';
    throw invalidDataset(
      file,
      `${verdict}: ${shape.join(' x ')} bytes need a file of ${expectedBytes} bytes, ${bytes.byteLength} found`,
    );
  }
  return { shape, data: new Uint8Array(bytes.subarray(headerBytes)) };
};
