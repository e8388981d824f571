import { GatewayError } from '@downpour/client';
import type { DatasetSpec } from '@downpour/contracts';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

/** IDX: two zero bytes, type 8 (unsigned byte), number of dimensions, dimensions, data. */
function idx(dimensions: number[], data: number[], bytes = data.length): Blob {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.set([0, 0, 8, dimensions.length]);
  dimensions.forEach((dimension, i) => header.writeUInt32BE(dimension, 4 + 4 * i));
  return new Blob([header, Uint8Array.from(data).subarray(0, bytes)]);
}

const text = (content: string) => new Blob([content]);
const csv = { name: 'bad', format: 'csv', labelColumn: 'y' } as DatasetSpec;
const images = { name: 'bad', format: 'images', width: 8, height: 8, channels: 1 } as DatasetSpec;
const idxSpec: DatasetSpec = { name: 'bad', format: 'idx' };

describe('bad input, on a real cluster', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({
      workers: 1,
      shards: 1,
      env: { MAX_UPLOAD_BYTES: String(4 * 2 ** 20), MAX_DATASET_BYTES: String(60 * 2 ** 20) },
    });
  });
  afterAll(() => cluster?.stop());

  const refused = async (doing: Promise<unknown>): Promise<GatewayError> => {
    const error = await doing.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  };

  it.each<[string, DatasetSpec, Record<string, Blob>, number, RegExp]>([
    [
      'a truncated IDX',
      idxSpec,
      { 'train-images': idx([10, 2, 2], Array(40).fill(1), 30), 'train-labels': idx([10], Array(10).fill(0)) },
      422,
      /train-images: is cut off.*56 bytes, 46 found/,
    ],
    [
      'an IDX with fewer labels than images',
      idxSpec,
      { 'train-images': idx([4, 2, 2], Array(16).fill(1)), 'train-labels': idx([3], [0, 1, 2]) },
      422,
      /4.*3|3.*4/s,
    ],
    ['NaN in the data', csv, { train: text('x,y\n1,a\nNaN,b\n3,a\n') }, 422, /line 3/],
    ['an empty data set', csv, { train: text('x,y\n') }, 422, /no (rows|examples)|empty/i],
    ['a label column that is not there', csv, { train: text('x,z\n1,a\n') }, 422, /y/],
    [
      'a zip bomb',
      images,
      {
        train: new Blob([
          zipSync({ 'a/big.png': new Uint8Array(64 * 2 ** 20), 'b/small.png': new Uint8Array(9) }, { level: 9 }),
        ]),
      },
      422,
      /MAX_DATASET_BYTES|more than|bytes/,
    ],
    ['garbage instead of a zip', images, { train: text('not a zip') }, 422, /zip/i],
    ['a file that the format does not have', csv, { trian: text('x,y\n1,a\n') }, 422, /train/],
  ])('refuses %s, says what is wrong, and stores nothing', async (_, spec, files, status, message) => {
    const error = await refused(cluster.client.upload(spec, files));
    expect(error.message).toMatch(message);
    expect(error.status).toBe(status);
    const { datasets } = (await (await fetch(`${cluster.url}/v1/datasets`)).json()) as {
      datasets: { builtIn: boolean }[];
    };
    expect(datasets.filter(({ builtIn }) => !builtIn)).toEqual([]);
  });

  it('refuses an upload over the limit at once', async () => {
    const error = await refused(cluster.client.upload(csv, { train: new Blob([new Uint8Array(5 * 2 ** 20)]) }));
    expect(error.status).toBe(413);
    expect(error.message).toMatch(/MAX_UPLOAD_BYTES|4194304|4 MiB/);
  });

  it('stores the same upload once', async () => {
    const files = {
      train: text(`x,y\n${Array.from({ length: 100 }, (_, i) => `${i},${i % 2 ? 'a' : 'b'}`).join('\n')}\n`),
    };
    const first = await cluster.client.upload({ ...csv, name: 'same' }, files);
    const second = await cluster.client.upload({ ...csv, name: 'same' }, files);
    expect(second.id).toBe(first.id);
    expect(first.summary).toMatchObject({ trainExamples: 90, testExamples: 10, classes: 2 });
  });

  it('fails a job whose model does not fit its data, before it trains, naming what is wrong', async () => {
    const topology = {
      class_name: 'Sequential',
      config: {
        name: 's',
        layers: [
          { class_name: 'Flatten', config: { name: 'f', batch_input_shape: [null, 28, 28, 1] } },
          { class_name: 'Dense', config: { name: 'd', units: 7, activation: 'softmax' } },
        ],
      },
    };
    const submitted = await cluster.client
      .submit({ model: { topology }, dataset: 'mnist', epochs: 1 })
      .catch((error: unknown) => error);
    const said =
      submitted instanceof GatewayError
        ? submitted.message
        : (
            await cluster.client.untilTerminal((submitted as { id: string }).id, {
              signal: AbortSignal.timeout(60_000),
            })
          ).reason;
    expect(said).toMatch(/7/);
    expect(said).toMatch(/10/);
  });

  it('ends a job whose gradients blow up, with a reason when it fails', async () => {
    const rows = Array.from({ length: 400 }, (_, i) => `${i % 20},${(i * 7) % 13},${i % 2 ? 'a' : 'b'}`);
    const dataset = await cluster.client.upload(
      { ...csv, name: 'small' },
      { train: text(`x,z,y\n${rows.join('\n')}\n`) },
    );
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: dataset.id,
      epochs: 20,
      updateRule: { kind: 'sgd', learningRate: 1000 },
    });
    const job = await cluster.client.untilTerminal(id, { signal: AbortSignal.timeout(120_000) });
    if (job.state === 'failed') expect(job.reason).toMatch(/NaN|finite|diverge|learning rate/i);
    else expect(job.state).toBe('succeeded');
  });
});
