import type { DatasetRecord } from '@downpour/contracts';
import { loadBuiltIn, type Split } from '@downpour/datasets';
import type { Cluster } from '../harness/cluster.ts';

/** Of an IDX file: unsigned bytes, in so many dimensions. */
const UNSIGNED_BYTES = 0x08;

/**
 * Uploads MNIST with the first `examples` of its training examples, and all that it is tested on, or the first `tests`: for L-BFGS, whose every step goes
 * over all of them, and for models whose steps take long.
 */
export async function uploadFirstOfMnist(
  { client }: Cluster,
  examples: number,
  tests = Infinity,
): Promise<DatasetRecord> {
  const { summary, train, test } = await loadBuiltIn('mnist', undefined);
  const tested = Math.min(tests, test.count);
  const [height = 1, width = 1] = summary.featureShape;
  const images = ({ features }: Split, count: number) =>
    idx([count, height, width], Uint8Array.from(features.subarray(0, count * height * width)));
  const labels = (split: Split, count: number) => idx([count], Uint8Array.from(split.labels.subarray(0, count)));
  return client.upload(
    { name: `mnist, first ${examples}`, format: 'idx' },
    {
      'train-images': images(train, examples),
      'train-labels': labels(train, examples),
      'test-images': images(test, tested),
      'test-labels': labels(test, tested),
    },
  );
}

function idx(shape: readonly number[], values: Uint8Array<ArrayBuffer>): Blob {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint8(2, UNSIGNED_BYTES);
  header.setUint8(3, shape.length);
  for (const [i, size] of shape.entries()) header.setUint32(4 + 4 * i, size);
  return new Blob([header.buffer, values]);
}
