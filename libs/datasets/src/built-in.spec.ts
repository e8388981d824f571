import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtInSummary, isBuiltIn, loadBuiltIn } from './built-in.ts';
import { idx } from './testing/sample-files.ts';

describe('built-in data sets', () => {
  let dataDir: string;
  beforeAll(() => void (dataDir = mkdtempSync(join(tmpdir(), 'downpour-datasets-'))));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it('has all of MNIST, with its classes in the known proportions', async () => {
    const { summary, train, test } = await loadBuiltIn('mnist', undefined);
    expect(summary).toEqual(builtInSummary('mnist'));
    const counts = Array(10).fill(0);
    for (const label of train.labels) counts[label]++;
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect([test.labels[0], test.labels[1], train.labels[0]]).toEqual([7, 2, 5]);
  });

  it('looks into DATA_DIR first', async () => {
    const folder = join(dataDir, 'fashion-mnist');
    mkdirSync(folder);
    for (const [name, bytes] of [
      ['train-images-idx3-ubyte', idx([2, 1, 1], [1, 2])],
      ['train-labels-idx1-ubyte', idx([2], [0, 1])],
      ['t10k-images-idx3-ubyte', idx([1, 1, 1], [3])],
      ['t10k-labels-idx1-ubyte', idx([1], [1])],
    ] as const) {
      writeFileSync(join(folder, name), bytes);
    }
    const { summary } = await loadBuiltIn('fashion-mnist', dataDir);
    expect(summary).toMatchObject({ trainExamples: 2, testExamples: 1 });
    expect(summary.classNames?.[9]).toBe('Ankle boot');
  });

  it('knows its own', () => {
    expect(isBuiltIn('mnist')).toBe(true);
    expect(isBuiltIn('cifar')).toBe(false);
    expect(isBuiltIn('toString')).toBe(false);
  });
});
