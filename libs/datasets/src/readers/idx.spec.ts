import { describe, expect, it } from 'vitest';
import { gzip, idx } from '../testing/sample-files.ts';
import { read, refusal } from '../testing/read.ts';

const SPEC = { name: 'digits', format: 'idx' } as const;
const images = idx([3, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]);
const labels = idx([3], [2, 0, 1]);
const good = { 'train-images': images, 'train-labels': labels };

describe('the IDX reader', () => {
  it('keeps grey images as bytes with a channel axis', async () => {
    const dataset = await read(SPEC, {
      ...good,
      'test-images': idx([1, 2, 2], [9, 8, 7, 6]),
      'test-labels': idx([1], [1]),
    });
    expect(dataset.summary).toEqual({
      trainExamples: 3,
      testExamples: 1,
      featureShape: [2, 2, 1],
      featureType: 'uint8',
      labelKind: 'class',
      classes: 3,
      labelWidth: 1,
    });
    expect([...dataset.train.features]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]);
    expect([...dataset.train.labels]).toEqual([2, 0, 1]);
    expect([...dataset.test.features]).toEqual([9, 8, 7, 6]);
  });

  it('reads gzip, a missing test split, flat vectors and colour images', async () => {
    const zipped = await read(SPEC, { 'train-images': gzip(images), 'train-labels': gzip(labels) });
    expect(zipped.test.count).toBe(0);
    const flat = await read(SPEC, { 'train-images': idx([3, 4], Array(12).fill(1)), 'train-labels': labels });
    expect(flat.summary.featureShape).toEqual([4]);
    const colour = await read(SPEC, { 'train-images': idx([3, 1, 2, 3], Array(18).fill(1)), 'train-labels': labels });
    expect(colour.summary.featureShape).toEqual([1, 2, 3]);
  });

  const cases: [string, Record<string, Uint8Array>, string, RegExp][] = [
    ['no bytes', { ...good, 'train-images': new Uint8Array(0) }, 'train-images', /is empty: it has no bytes/],
    [
      'two bytes',
      { ...good, 'train-images': new Uint8Array(2) },
      'train-images',
      /has 2 bytes; .* begins with 4 bytes/,
    ],
    [
      'a wrong magic number',
      { ...good, 'train-images': Buffer.from('PK\x03\x04....') },
      'train-images',
      /begins with 0x504b0304; .* begins with 0x00000802 or 0x00000803 or 0x00000804/,
    ],
    ['labels where images should be', { ...good, 'train-images': labels }, 'train-images', /begins with 0x00000801/],
    [
      'images where labels should be',
      { ...good, 'train-labels': images },
      'train-labels',
      /begins with 0x00000803; .* begins with 0x00000801/,
    ],
    [
      'floats',
      { ...good, 'train-images': idx([3, 2, 2], [], [0, 0, 0x0d, 3]) },
      'train-images',
      /begins with 0x00000d03; an IDX file of unsigned bytes/,
    ],
    [
      'a cut off header',
      { ...good, 'train-images': images.subarray(0, 9) },
      'train-images',
      /ends within its header: 16 bytes expected, 9 found/,
    ],
    [
      'cut off data',
      { ...good, 'train-images': images.subarray(0, 27) },
      'train-images',
      /is cut off: 3 x 2 x 2 bytes need a file of 28 bytes, 27 found/,
    ],
    [
      'trailing bytes',
      { ...good, 'train-labels': Buffer.concat([labels, Buffer.from([1])]) },
      'train-labels',
      /has something after its data: .* 11 bytes, 12 found/,
    ],
    [
      'an empty set',
      { ...good, 'train-images': idx([0, 2, 2], []) },
      'train-images',
      /is empty: its shape is 0 x 2 x 2/,
    ],
    [
      'too few labels',
      { ...good, 'train-labels': idx([2], [0, 1]) },
      'train-labels',
      /has 2 labels, but train-images has 3 images/,
    ],
    ['one class', { ...good, 'train-labels': idx([3], [0, 0, 0]) }, 'train-labels', /at least two classes/],
    [
      'a cut off gzip',
      { ...good, 'train-images': gzip(images).subarray(0, 20) },
      'train-images',
      /gzip data are damaged or cut off/,
    ],
    [
      'a missing file',
      { 'train-images': images },
      'train-labels',
      /is missing: idx takes the files train-images, train-labels and, if/,
    ],
    ['half a test split', { ...good, 'test-images': images }, 'test-labels', /is missing, but test-images is there/],
    ['a file too many', { ...good, extra: images }, 'extra', /has no meaning here: idx takes/],
    [
      'test images of another size',
      { ...good, 'test-images': idx([1, 2, 3], Array(6).fill(1)), 'test-labels': idx([1], [1]) },
      'test-images',
      /are 2 x 3 x 1, those of train-images 2 x 2 x 1/,
    ],
    [
      'a test label that training has not',
      { ...good, 'test-images': images, 'test-labels': idx([3], [0, 3, 1]) },
      'test-labels',
      /the label of row 1 is 3; it should be a whole number from 0 to 2, the classes of the training split/,
    ],
    [
      'sizes that claim terabytes',
      { ...good, 'train-images': idx([0xffffffff, 0xffff, 0xffff], [1]) },
      'train-images',
      /is cut off/,
    ],
  ];
  it.each(cases)('refuses %s', async (_title, files, field, message) => {
    const error = await refusal(read(SPEC, files));
    expect(error.code).toBe('invalid-dataset');
    expect(error.field).toBe(field);
    expect(error.message).toMatch(message);
  });

  it('stops inflating at the limit', async () => {
    const bomb = gzip(new Uint8Array(64 * 2 ** 20));
    expect(bomb.byteLength).toBeLessThan(100_000);
    const error = await refusal(read(SPEC, { ...good, 'train-images': bomb }, { maxBytes: 2 ** 20, maxEntries: 10 }));
    expect(error.code).toBe('invalid-dataset');
    expect(error.message).toMatch(/train-images: holds more than the 1048576 bytes/);
  });
});
