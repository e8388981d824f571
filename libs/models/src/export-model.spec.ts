import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { modelFromTopology } from './build-model.ts';
import { exportModel } from './export-model.ts';
import { variablesOf } from './parameter-layout.ts';
import { prepareModel } from './prepare-model.ts';
import { fixture } from './topology/fixtures.ts';
import { sequential, type LayerNode, type Topology } from './topology/topology.ts';

const MNIST: DatasetSummary = {
  trainExamples: 10,
  testExamples: 0,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};

/** Reads an image row by row. */
const ROWS_IN_TURN: LayerNode[] = [
  { class_name: 'Reshape', config: { name: 'rows', target_shape: [28, 28], batch_input_shape: [null, 28, 28, 1] } },
  { class_name: 'GRU', config: { name: 'gru', units: 6, return_sequences: true } },
  { class_name: 'LSTM', config: { name: 'lstm', units: 5 } },
  { class_name: 'Dense', config: { name: 'out', units: 10, activation: 'softmax' } },
];

/** The Keras 2 model, and a second head on its first convolution. */
function withAuxiliary(): Record<string, unknown> {
  const topology = fixture('keras2-functional');
  const { layers } = topology.config;
  const node = (class_name: string, name: string, from: string, config = {}) =>
    layers.push({ class_name, name, config: { name, ...config }, inbound_nodes: [[[from, 0, 0, {}]]] } as never);
  const first = layers.find(({ class_name }) => class_name === 'Conv2D')!;
  node('GlobalAveragePooling2D', 'pooled', String(first.config['name']));
  node('Dense', 'side', 'pooled', { units: 10, activation: 'softmax' });
  (topology.config['output_layers'] as unknown[]).push(['side', 0, 0]);
  return topology;
}

/** Plain tfjs in a process of its own: loads model.json and predicts for an image of 0, 1/784, 2/784 and so on. */
const PREDICT = `
  import { readFileSync } from 'node:fs';
  import tf from '@tensorflow/tfjs';
  const [folder] = process.argv.slice(1);
  const artifacts = JSON.parse(readFileSync(folder + '/model.json', 'utf8'));
  const [{ weights: weightSpecs, paths }] = artifacts.weightsManifest;
  const bytes = readFileSync(folder + '/' + paths[0]);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const model = await tf.loadLayersModel({ load: async () => ({ modelTopology: artifacts.modelTopology, weightSpecs, weightData }) });
  const image = tf.tensor(Array.from({ length: 784 }, (_, i) => i / 784), [1, 28, 28, 1]);
  console.log(JSON.stringify([...model.predict(image).dataSync()]));
`;

describe('An exported model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'downpour-export-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['of the zoo', { zoo: 'mnist-cnn' as const }],
    ['of Keras 3 with batch normalisation', { topology: fixture('keras3-sequential') }],
    ['with recurrent layers', { topology: sequential('rows', ROWS_IN_TURN) }],
    ['of Keras 2', { topology: fixture('keras2-functional') }],
    ['without the auxiliary output it had in training', { topology: withAuxiliary(), lossWeights: [1, 0.3] }],
  ])('%s predicts the same in plain tfjs in another process', async (_, model) => {
    const { topology, layout, initial } = await prepareModel({ model, seed: 3 }, MNIST);
    const { modelJson, weights } = exportModel(topology, layout);
    writeFileSync(join(folder, 'model.json'), modelJson);
    const bytes = weights.map(({ begin, end }) => Buffer.from(initial.slice(begin, end).buffer));
    writeFileSync(join(folder, 'weights.bin'), Buffer.concat(bytes));
    const args = ['--no-warnings', '--input-type=module', '--eval', PREDICT, folder];
    const output = execFileSync(process.execPath, args, { cwd: import.meta.dirname }).toString();
    const predicted = JSON.parse(output.slice(output.lastIndexOf('['))) as number[];

    const main = (JSON.parse(modelJson) as { modelTopology: Topology }).modelTopology;
    expect(main.config.layers.map(({ config }) => config.name)).not.toContain('side');
    const built = await modelFromTopology(main);
    variablesOf(built).forEach((variable) => {
      const { offset, length, shape } = layout.variables.find(({ name }) => name === variable.originalName)!;
      variable.write(tf.tensor(initial.slice(offset, offset + length), shape));
    });
    const image = tf.tensor(
      Array.from({ length: 784 }, (_, i) => i / 784),
      [1, 28, 28, 1],
    );
    const expected = [...(built.predict(image) as tf.Tensor).dataSync()];
    expect(predicted).toHaveLength(10);
    predicted.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
    // They end in softmax: probabilities.
    expect(predicted.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
  });
});
