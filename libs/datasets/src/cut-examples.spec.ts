import { chunkBounds, chunksInEpoch } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { cutExamples, examplesToSend } from './cut-examples.ts';
import type { LoadedDataset } from './loaded-dataset.ts';
import { permutation } from './permutation.ts';
import { refusal } from './testing/read.ts';

/** Row i has the features [i, i + 0.5] (or bytes) and the label i. */
const dataset = (count: number, labelWidth = 1): LoadedDataset => ({
  summary: {
    trainExamples: count,
    testExamples: 2,
    featureShape: [2],
    featureType: 'float32',
    labelKind: labelWidth === 1 ? 'class' : 'number',
    classes: labelWidth === 1 ? count : 0,
    labelWidth,
  },
  train: {
    count,
    features: Float32Array.from({ length: 2 * count }, (_, i) => i / 2),
    labels:
      labelWidth === 1
        ? Int32Array.from({ length: count }, (_, i) => i)
        : Float32Array.from({ length: count * labelWidth }, (_, i) => Math.floor(i / labelWidth)),
  },
  test: {
    count: 2,
    features: Float32Array.of(9, 9, 8, 8),
    labels: new (labelWidth === 1 ? Int32Array : Float32Array)(2 * labelWidth),
  },
});

describe('cutting examples', () => {
  it('follows the order, features and labels together', () => {
    const cut = cutExamples(dataset(4), 'train', Uint32Array.of(2, 0, 3, 1), 1, 3);
    expect(cut).toEqual({ count: 2, features: Float32Array.of(0, 0.5, 3, 3.5), labels: Int32Array.of(0, 3) });
  });

  it('keeps file order without one', () => {
    const cut = cutExamples(dataset(4), 'test', null, 0, 2);
    expect([...cut.features]).toEqual([9, 9, 8, 8]);
  });

  it('keeps several numbers a label together', () => {
    const cut = cutExamples(dataset(4, 3), 'train', Uint32Array.of(2, 0, 3, 1), 0, 2);
    expect([...cut.labels]).toEqual([2, 2, 2, 0, 0, 0]);
  });

  it('gives buffers of its own: they will be transferred', () => {
    const source = dataset(4);
    for (const order of [null, permutation(1, 0, 4)]) {
      const cut = cutExamples(source, 'train', order, 0, 4);
      expect(cut.features.buffer).not.toBe(source.train.features.buffer);
      expect(cut.features.byteOffset).toBe(0);
      expect(cut.features.buffer.byteLength).toBe(cut.features.byteLength);
      cut.features.fill(-1);
      cut.labels.fill(-1);
    }
    expect(source).toEqual(dataset(4));
  });

  it('writes the same examples to where they are sent from', () => {
    for (const labelWidth of [1, 3, 40]) {
      const source = dataset(6, labelWidth);
      for (const order of [null, permutation(1, 0, 6)]) {
        const cut = cutExamples(source, 'train', order, 1, 5);
        const { count, ...toSend } = examplesToSend(source, 'train', order, 1, 5);
        expect(count).toBe(cut.count);
        for (const name of ['features', 'labels'] as const) {
          const { buffer, byteLength } = cut[name];
          const frame = new Uint8Array(byteLength + 16).fill(255);
          expect(toSend[name].byteLength).toBe(byteLength);
          toSend[name].writeTo(frame.subarray(8, 8 + byteLength));
          expect(frame.subarray(8, 8 + byteLength)).toEqual(new Uint8Array(buffer));
          expect([...frame.subarray(0, 8), ...frame.subarray(8 + byteLength)]).toEqual(Array(16).fill(255));
        }
      }
    }
  });

  it.each([
    [1, 1, 1],
    [10, 3, 2],
    [10, 10, 4],
    [10, 99, 4],
    [64, 16, 5],
  ])('deals out %d examples in chunks of %d so that an epoch has each once', (examples, chunkSize, batchSize) => {
    const plan = { examples, chunkSize, batchSize, nPush: 1, epochs: 1, seed: 3 };
    const source = dataset(examples);
    const order = permutation(3, 7, examples);
    const seen: number[] = [];
    for (let chunk = 0; chunk < chunksInEpoch(plan); chunk++) {
      const { begin, end } = chunkBounds(plan, chunk);
      seen.push(...cutExamples(source, 'train', order, begin, end).labels);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: examples }, (_, i) => i));
  });

  it.each([
    [-1, 2],
    [3, 2],
    [0, 5],
    [0.5, 2],
  ])('refuses the run %d to %d of four', async (begin, end) => {
    const error = await refusal((async () => cutExamples(dataset(4), 'train', null, begin, end))());
    expect(error.code).toBe('invalid-request');
  });
});
