import type { JobSpecInput } from '@downpour/contracts';
import { unzipSync, zipSync } from 'fflate';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const SIZE = 16;
const IMAGES = 64;
const EPOCHS = 12;

/** A zip of two folders: stripes that lie, stripes that stand. */
function stripes(): Blob {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < IMAGES; i++) {
    const lie = i % 2 === 0;
    const image = new PNG({ width: SIZE, height: SIZE });
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++) {
        const grey = (((lie ? y : x) + (i >> 1)) & 4) === 0 ? 30 : 220;
        image.data.set([grey, grey, grey, 255], 4 * (y * SIZE + x));
      }
    files[`${lie ? 'lie' : 'stand'}/${i}.png`] = PNG.sync.write(image);
  }
  return new Blob([zipSync(files)]);
}

describe('GoogLeNet on folders of images', () => {
  let cluster: HttpCluster;
  let dataset: string;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 2 });
    const train = stripes();
    ({ id: dataset } = await cluster.client.upload(
      { name: 'stripes', format: 'images', width: SIZE, height: SIZE, channels: 1, testShare: 0 },
      { train, test: train },
    ));
  });
  afterAll(() => cluster?.stop());

  it('learns in two partitions with an output in each, and leaves the auxiliary one behind', async () => {
    const job: JobSpecInput = {
      model: { zoo: 'googlenet-small', dropout: 0 },
      dataset,
      batchSize: 16,
      epochs: EPOCHS,
      evaluateEvery: EPOCHS,
      augment: { crop: 2, flip: true },
      partitions: { count: 2, microBatches: 2, devices: { 'auxiliary*': 1, 'inception_5a*': 1, '*': 0 } },
    };
    const { id } = await cluster.client.submit(job);
    const record = await cluster.succeeded(id);
    expectExactLedger(record, IMAGES * EPOCHS);
    expect(record.result.accuracy).toBeGreaterThan(0.9);

    const { nodes, edges } = await cluster.client.graph(id);
    const partitionOf = (name: string) => nodes.find(({ layer }) => layer === name)?.partition;
    expect([partitionOf('probabilities'), partitionOf('auxiliary_probabilities')]).toEqual([0, 1]);
    expect(edges.map(({ layer, from, to }) => `${layer} ${from}>${to}`)).toEqual([
      'inception_4a_output 0>1',
      'inception_4b_output 0>1',
      'inception_5a_output 1>0',
    ]);

    const files = unzipSync(await cluster.client.model(id));
    const model = new TextDecoder().decode(files['model.json']);
    expect(model).toContain('inception_5a_output');
    expect(model).not.toContain('auxiliary');
  });
});
