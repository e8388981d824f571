import { describe, expect, it } from 'vitest';
import { npy, zip, zipBomb } from '../testing/sample-files.ts';
import { read, refusal } from '../testing/read.ts';

const SPEC = { name: 'arrays', format: 'numpy' } as const;
const x = npy('<f4', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
const y = npy('<i8', [3], BigInt64Array.of(0n, 2n, 1n));
const npz = zip({ 'x.npy': x, 'y.npy': y });
const numbers = (values: ArrayLike<number>): number[] => Array.from(values);

describe('the NumPy reader', () => {
  it('reads .npz with x and y, and .npy each, alike', async () => {
    const packed = await read(SPEC, { train: npz });
    const loose = await read(SPEC, { 'train-x': x, 'train-y': y });
    expect(loose).toEqual(packed);
    expect(packed.summary).toEqual({
      trainExamples: 3,
      testExamples: 0,
      featureShape: [2],
      featureType: 'float32',
      labelKind: 'class',
      classes: 3,
      labelWidth: 1,
    });
    expect(numbers(packed.train.features)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(numbers(packed.train.labels)).toEqual([0, 2, 1]);
  });

  it('reads all four arrays from one file, as Keras ships its data sets', async () => {
    const images = npy('|u1', [2, 1, 2], Uint8Array.of(1, 2, 3, 255));
    const labels = npy('|u1', [2], Uint8Array.of(0, 1));
    const dataset = await read(SPEC, {
      train: zip({ 'x_train.npy': images, 'y_train.npy': labels, 'x_test.npy': images, 'y_test.npy': labels }),
    });
    expect(dataset.summary).toMatchObject({
      trainExamples: 2,
      testExamples: 2,
      featureShape: [1, 2, 1],
      featureType: 'uint8',
    });
    expect(numbers(dataset.test.features)).toEqual([1, 2, 3, 255]);
  });

  it('reads a test split from a second file', async () => {
    const dataset = await read(SPEC, {
      train: npz,
      test: zip({ 'x.npy': npy('<f8', [1, 2], Float64Array.of(7, 8)), 'y.npy': npy('<i4', [1, 1], Int32Array.of(2)) }),
    });
    expect(numbers(dataset.test.features)).toEqual([7, 8]);
    expect(numbers(dataset.test.labels)).toEqual([2]);
  });

  it.each([
    ['|u1', Uint8Array.of(0, 1, 2, 200), 'uint8'],
    ['|i1', Int8Array.of(0, 1, 2, -100), 'float32'],
    ['<u2', Uint16Array.of(0, 1, 2, 60_000), 'float32'],
    ['<i2', Int16Array.of(0, 1, 2, -30_000), 'float32'],
    ['<u4', Uint32Array.of(0, 1, 2, 4_000_000_000), 'float32'],
    ['<i4', Int32Array.of(0, 1, 2, -5), 'float32'],
    ['<u8', BigUint64Array.of(0n, 1n, 2n, 5n), 'float32'],
    ['<i8', BigInt64Array.of(0n, 1n, 2n, -5n), 'float32'],
    ['<f4', Float32Array.of(0, 1, 2, 0.5), 'float32'],
    ['<f8', Float64Array.of(0, 1, 2, 0.1), 'float32'],
  ] as const)('reads %s', async (descr, data, featureType) => {
    for (const version of [1, 2, 3]) {
      const { summary, train } = await read(SPEC, {
        'train-x': npy(descr, [4, 1], data, { version }),
        'train-y': npy('<f8', [4], Float64Array.of(0, 1, 1, 0)),
      });
      expect(summary.featureType).toBe(featureType);
      expect(numbers(train.features)).toEqual(
        Array.from<number | bigint, number>(data as Iterable<number | bigint>, (value) => Math.fround(Number(value))),
      );
    }
  });

  it('reads numbers as labels, several a row', async () => {
    const { summary, train } = await read(
      { ...SPEC, labelKind: 'number' },
      { 'train-x': x, 'train-y': npy('<f4', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6.5)) },
    );
    expect(summary).toMatchObject({ labelKind: 'number', classes: 0, labelWidth: 2 });
    expect(numbers(train.labels)).toEqual([1, 2, 3, 4, 5, 6.5]);
  });

  it('takes a vector of examples as one feature each', async () => {
    const { summary } = await read(SPEC, { 'train-x': npy('<f4', [3], Float32Array.of(1, 2, 3)), 'train-y': y });
    expect(summary.featureShape).toEqual([1]);
  });

  const loose = { 'train-x': x, 'train-y': y };
  const floats = (...values: number[]): Float32Array => Float32Array.from(values);
  const cases: [string, Record<string, Uint8Array>, string, RegExp][] = [
    ['something else', { ...loose, 'train-x': Buffer.from('hello, world') }, 'train-x', /is not a .npy array/],
    [
      'a cut off array',
      { ...loose, 'train-x': x.subarray(0, x.byteLength - 1) },
      'train-x',
      /is cut off: <f4 values of shape \(3, 2\) take 24 bytes, 23 found/,
    ],
    [
      'trailing bytes',
      { ...loose, 'train-x': Buffer.concat([x, Buffer.from([0])]) },
      'train-x',
      /has something after its data: .* 24 bytes, 25 found/,
    ],
    ['a cut off header', { ...loose, 'train-x': x.subarray(0, 40) }, 'train-x', /ends within its header/],
    [
      'ten bytes of version 2',
      { ...loose, 'train-x': Buffer.from([0x93, ...Buffer.from('NUMPY'), 2, 0, 0, 0]) },
      'train-x',
      /ends within its header/,
    ],
    [
      'an unknown version',
      { ...loose, 'train-x': npy('<f4', [3, 2], floats(1, 2, 3, 4, 5, 6), { version: 9 }) },
      'train-x',
      /has .npy version 9/,
    ],
    [
      'Fortran order',
      { ...loose, 'train-x': npy('<f4', [3, 2], floats(1, 2, 3, 4, 5, 6), { fortran: true }) },
      'train-x',
      /in Fortran order: save numpy.ascontiguousarray/,
    ],
    [
      'big-endian numbers',
      { ...loose, 'train-x': npy('>f4', [3, 2], floats(1, 2, 3, 4, 5, 6)) },
      'train-x',
      /values of type >f4; .*little-endian can be read/,
    ],
    ['pickled objects', { ...loose, 'train-x': npy('|O', [3], floats(1)) }, 'train-x', /values of type \|O/],
    [
      'NaN in the data',
      { ...loose, 'train-x': npy('<f4', [3, 2], floats(1, 2, 3, NaN, 5, 6)) },
      'train-x',
      /the example of row 1 has NaN at position 1/,
    ],
    [
      'float64 beyond float32',
      { ...loose, 'train-x': npy('<f8', [3, 1], Float64Array.of(1, 2, 1e300)) },
      'train-x',
      /the example of row 2 has Infinity/,
    ],
    [
      'a negative label',
      { ...loose, 'train-y': npy('<i4', [3], Int32Array.of(0, -1, 1)) },
      'train-y',
      /the label of row 1 is -1; it should be a whole number from 0/,
    ],
    [
      'a label of one and a half',
      { ...loose, 'train-y': npy('<f4', [3], floats(0, 1.5, 1)) },
      'train-y',
      /the label of row 1 is 1.5/,
    ],
    [
      'NaN as a label',
      { ...loose, 'train-y': npy('<f4', [3], floats(0, 1, NaN)) },
      'train-y',
      /the label of row 2 is NaN/,
    ],
    [
      'numbers as classes',
      { ...loose, 'train-y': npy('<i4', [3], Int32Array.of(0, 70_000, 1)) },
      'train-y',
      /the label of row 1 is 70000/,
    ],
    [
      'one-hot labels',
      { ...loose, 'train-y': npy('|u1', [3, 2], Uint8Array.of(0, 1, 1, 0, 0, 1)) },
      'train-y',
      /numpy.argmax\(y, 1\)/,
    ],
    [
      'too few labels',
      { ...loose, 'train-y': npy('<i4', [2], Int32Array.of(0, 1)) },
      'train-y',
      /has 2 labels, but train-x has 3 examples/,
    ],
    [
      'an empty array',
      { ...loose, 'train-x': npy('<f4', [0, 2], floats()) },
      'train-x',
      /is empty: its shape is \(0, 2\)/,
    ],
    ['half a test split', { ...loose, 'test-x': x }, 'test-y', /is missing: a split needs both test-x and test-y/],
    [
      'a test split of another shape',
      { ...loose, 'test-x': npy('<f4', [3, 1], floats(1, 2, 3)), 'test-y': y },
      'test-x',
      /of shape \(1\), train-x of \(2\)/,
    ],
    [
      'a test split of another type',
      { ...loose, 'test-x': npy('|u1', [3, 2], Uint8Array.of(1, 2, 3, 4, 5, 6)), 'test-y': y },
      'test-x',
      /same type as train-x/,
    ],
    ['no zip', { train: Buffer.from('not a zip') }, 'train', /is not a whole zip file/],
    ['a cut off zip', { train: npz.subarray(0, npz.byteLength - 30) }, 'train', /is not a whole zip file/],
    ['a zip without x', { train: zip({ 'a.npy': x, 'y.npy': y }) }, 'train', /has no array x, only a, y: numpy.savez/],
    ['neither npz nor npy', {}, 'train', /numpy takes the files train and, .* or the files train-x, train-y/],
  ];
  it.each(cases)('refuses %s', async (_title, files, field, message) => {
    const error = await refusal(read(SPEC, files));
    expect(error.code).toBe('invalid-dataset');
    expect(error.field).toBe(field);
    expect(error.message).toMatch(message);
  });

  it('notices a damaged zip by its checksum', async () => {
    const damaged = Buffer.from(zip({ 'x.npy': x, 'y.npy': y }));
    // The checksum of the first entry stands 16 bytes into its record of the central directory.
    const record = damaged.indexOf(Buffer.from('PK\x01\x02'));
    damaged.writeUInt32LE(0xdeadbeef, record + 16);
    expect((await refusal(read(SPEC, { train: damaged }))).message).toMatch(
      /x.npy is damaged: its checksum does not match/,
    );
  });

  it('stops inflating a zip bomb at the limit', async () => {
    const bomb = zipBomb('x.npy', 24);
    expect(bomb.byteLength).toBeLessThan(300_000);
    const error = await refusal(read(SPEC, { train: bomb }, { maxBytes: 2 ** 20, maxEntries: 10 }));
    expect(error.message).toMatch(/holds more than the 1048576 bytes/);
  });

  it('refuses a zip whose header lies about the size of an entry', async () => {
    const bomb = Buffer.from(zipBomb('x.npy', 4));
    const record = bomb.indexOf(Buffer.from('PK\x01\x02'));
    bomb.writeUInt32LE(100, record + 24); // uncompressed size, as claimed
    const error = await refusal(read(SPEC, { train: bomb }, { maxBytes: 2 ** 20, maxEntries: 10 }));
    expect(error.message).toMatch(/holds more than the 1048576 bytes/);
  });
});
