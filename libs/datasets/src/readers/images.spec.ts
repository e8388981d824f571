import { describe, expect, it } from 'vitest';
import { jpg, png, zip, zipBomb } from '../testing/sample-files.ts';
import type { Rgb } from '../testing/sample-files.ts';
import { read, refusal } from '../testing/read.ts';

const SPEC = { name: 'pets', format: 'images', width: 2, height: 2, channels: 3, testShare: 0 } as const;
const plain = (...colour: Rgb) => png(2, 2, () => colour);
const pets = { 'dog/1.png': plain(255, 0, 0), 'cat/1.png': plain(0, 255, 0), 'cat/2.png': plain(0, 0, 255) };
const numbers = (values: ArrayLike<number>): number[] => Array.from(values);

describe('the image reader', () => {
  it('takes folders for classes, in order of name, and keeps bytes', async () => {
    const { summary, train } = await read(SPEC, { train: zip(pets) });
    expect(summary).toEqual({
      trainExamples: 3,
      testExamples: 0,
      featureShape: [2, 2, 3],
      featureType: 'uint8',
      labelKind: 'class',
      classes: 2,
      classNames: ['cat', 'dog'],
      labelWidth: 1,
    });
    expect(numbers(train.labels)).toEqual([0, 0, 1]);
    expect(numbers(train.features.subarray(0, 12))).toEqual([0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0]);
    expect(numbers(train.features.subarray(24, 27))).toEqual([255, 0, 0]);
  });

  it('looks below a common folder and past what systems leave in a zip', async () => {
    const files = Object.fromEntries(Object.entries(pets).map(([name, bytes]) => [`pets/${name}`, bytes]));
    const junk = {
      '__MACOSX/pets/cat/._1.png': new Uint8Array(3),
      'pets/cat/.DS_Store': new Uint8Array(3),
      'README.txt': new Uint8Array(3),
    };
    const { summary } = await read(SPEC, { train: zip({ ...files, ...junk }) });
    expect(summary).toMatchObject({ trainExamples: 3, classNames: ['cat', 'dog'] });
  });

  it('reads JPEG, whatever its name', async () => {
    const { train } = await read(SPEC, {
      train: zip({ 'a/1.png': jpg(8, 8, [200, 100, 50]), 'b/1.png': plain(0, 0, 0) }),
    });
    const [red, green, blue] = numbers(train.features);
    expect(Math.abs(red! - 200) + Math.abs(green! - 100) + Math.abs(blue! - 50)).toBeLessThan(9);
  });

  it('makes grey of colour', async () => {
    const { summary, train } = await read({ ...SPEC, channels: 1 }, { train: zip(pets) });
    expect(summary.featureShape).toEqual([2, 2, 1]);
    expect([train.features[0], train.features[4], train.features[8]]).toEqual([150, 29, 76]); // BT.601 of green, blue, red
  });

  it('lays transparency on black', async () => {
    const { train } = await read(SPEC, {
      train: zip({ 'a/1.png': png(2, 2, () => [255, 255, 255], 0), 'b/1.png': plain(1, 1, 1) }),
    });
    expect(numbers(train.features.subarray(0, 3))).toEqual([0, 0, 0]);
  });

  it('resizes what has another size', async () => {
    const halves = png(8, 4, (x) => (x < 4 ? [0, 0, 0] : [240, 240, 240]));
    const { train } = await read(
      { ...SPEC, channels: 1 },
      { train: zip({ 'a/1.png': halves, 'b/1.png': plain(9, 9, 9) }) },
    );
    const [left, right] = [train.features[0]!, train.features[1]!];
    expect(left).toBeLessThan(60);
    expect(right).toBeGreaterThan(180);
    expect(left + right).toBe(240);
  });

  it('takes the test split from its own zip, with the classes of training', async () => {
    const { test } = await read(SPEC, { train: zip(pets), test: zip({ 'dog/9.png': plain(7, 7, 7) }) });
    expect(numbers(test.labels)).toEqual([1]);
  });

  it('holds pictures out with their labels', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [
        `${i % 2 ? 'odd' : 'even'}/${String(i).padStart(2, '0')}.png`,
        plain(i, i % 2, 0),
      ]),
    );
    const { train, test } = await read({ ...SPEC, testShare: 0.25 }, { train: zip(many) });
    expect([train.count, test.count]).toEqual([15, 5]);
    for (let i = 0; i < 5; i++) expect(test.features[i * 12 + 1]).toBe(test.labels[i]);
  });

  const bigPng = Buffer.from(plain(0, 0, 0));
  bigPng.writeUInt32BE(60_000, 16);
  bigPng.writeUInt32BE(60_000, 20);
  const cases: [string, Record<string, Uint8Array>, RegExp][] = [
    ['a picture in no folder', { train: zip({ ...pets, '1.png': plain(0, 0, 0) }) }, /train: 1.png lies in no folder/],
    [
      'another format',
      { train: zip({ ...pets, 'cat/3.gif': Buffer.from('GIF89a...') }) },
      /cat\/3.gif: is neither PNG nor JPEG/,
    ],
    [
      'a cut off PNG',
      { train: zip({ ...pets, 'cat/3.png': plain(0, 0, 0).subarray(0, 50) }) },
      /cat\/3.png: cannot be decoded as PNG/,
    ],
    [
      'a cut off JPEG',
      { train: zip({ ...pets, 'cat/3.jpg': jpg(8, 8, [0, 0, 0]).subarray(0, 30) }) },
      /cat\/3.jpg: cannot be decoded as JPEG/,
    ],
    [
      'a PNG of four bytes',
      { train: zip({ ...pets, 'cat/3.png': plain(0, 0, 0).subarray(0, 4) }) },
      /cat\/3.png: cannot be decoded/,
    ],
    [
      'a PNG that claims 60,000 x 60,000',
      { train: zip({ ...pets, 'cat/3.png': bigPng }) },
      /cat\/3.png: is 60000 x 60000; at most/,
    ],
    ['one class', { train: zip({ 'cat/1.png': plain(0, 0, 0) }) }, /at least two classes/],
    ['no picture', { train: zip({ 'README.md': new Uint8Array(3) }) }, /is empty: it has no picture/],
    ['an empty zip', { train: zip({}) }, /is empty: it has no picture/],
    [
      'a class that only the test zip has',
      { train: zip(pets), test: zip({ 'cow/1.png': plain(0, 0, 0) }) },
      /test: has the class "cow", which train has not: cat, dog/,
    ],
    [
      'a path out of the zip',
      { train: zip({ '../cat/1.png': plain(0, 0, 0), 'dog/1.png': plain(0, 0, 0) }) },
      /is not a whole zip file \(invalid relative path/,
    ],
  ];
  it.each(cases)('refuses %s', async (_title, files, message) => {
    const error = await refusal(read(SPEC, files));
    expect(error.code).toBe('invalid-dataset');
    expect(error.message).toMatch(message);
  });

  it('counts entries', async () => {
    const error = await refusal(read(SPEC, { train: zip(pets) }, { maxBytes: 2 ** 20, maxEntries: 2 }));
    expect(error.message).toMatch(/holds 3 files, more than the 2 a zip may have/);
  });

  it('stops at a zip bomb', async () => {
    const files = { train: zip(pets), test: zipBomb('cat/1.png', 8) };
    const error = await refusal(read(SPEC, files, { maxBytes: 2 ** 20, maxEntries: 9 }));
    expect(error.message).toMatch(/test: cat\/1.png: holds more than the 1048576 bytes/);
  });

  it('refuses examples that would not fit in memory before it decodes one', async () => {
    const error = await refusal(
      read({ ...SPEC, width: 1024, height: 1024 }, { train: zip(pets) }, { maxBytes: 2 ** 20, maxEntries: 9 }),
    );
    expect(error.message).toMatch(/holds more than the 1048576 bytes/);
  });
});
