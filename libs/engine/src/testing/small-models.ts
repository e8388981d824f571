import type { DatasetSummary } from '@downpour/contracts';
import type { LayerNode, Topology } from '@downpour/models/topology';
import type { Batch } from '../step/batch.ts';

/** Small images of two channels in three classes: what layer tests train on. */
export const IMAGES: DatasetSummary = {
  trainExamples: 64,
  testExamples: 0,
  featureShape: [6, 6, 2],
  featureType: 'float32',
  labelKind: 'class',
  classes: 3,
  labelWidth: 1,
};

/** Rows of four numbers in three classes. */
export const ROWS: DatasetSummary = { ...IMAGES, featureShape: [4] };

/** Five rows of three numbers each. */
export const SEQUENCES: DatasetSummary = { ...IMAGES, featureShape: [5, 3] };

/** Six words out of seven, as bytes. */
export const WORDS: DatasetSummary = { ...IMAGES, featureShape: [6], featureType: 'uint8' };

export function layer(class_name: string, config: Record<string, unknown> = {}, name = class_name): LayerNode {
  return { class_name, config: { name, ...config } };
}

/** `middle` between the data set's examples and a softmax over its classes. */
export function stack(dataset: DatasetSummary, middle: LayerNode[]): Topology {
  return {
    class_name: 'Sequential',
    config: {
      name: 'test',
      layers: [
        layer('InputLayer', { batch_input_shape: [null, ...dataset.featureShape] }, 'input'),
        ...middle,
        layer('Flatten', {}, 'flat'),
        layer('Dense', { units: dataset.classes, activation: 'softmax' }, 'output'),
      ],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
}

/** Numbers from [0, 1) that are the same in every run (mulberry32). */
export function numbers(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function batchOf(dataset: DatasetSummary, count: number, seed = 1): Batch {
  const next = numbers(seed);
  const size = dataset.featureShape.reduce((product, n) => product * n, 1);
  const features =
    dataset.featureType === 'uint8'
      ? Uint8Array.from({ length: count * size }, () => Math.floor(next() * (dataset === WORDS ? 7 : 256)))
      : Float32Array.from({ length: count * size }, () => next() * 2 - 1);
  const labels =
    dataset.labelKind === 'class'
      ? Int32Array.from({ length: count }, () => Math.floor(next() * dataset.classes))
      : Float32Array.from({ length: count * dataset.labelWidth }, () => next() * 2 - 1);
  return { count, features, labels };
}
