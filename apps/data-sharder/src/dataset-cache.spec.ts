import type { LoadedDataset } from '@downpour/datasets';
import { describe, expect, it } from 'vitest';
import { DatasetCache } from './dataset-cache.ts';

const dataset = (bytes: number): LoadedDataset => ({
  summary: {
    trainExamples: bytes,
    testExamples: 0,
    featureShape: [1],
    featureType: 'uint8',
    labelKind: 'class',
    classes: 2,
    labelWidth: 1,
  },
  train: { count: bytes, features: new Uint8Array(bytes), labels: new Int32Array(0) },
  test: { count: 0, features: new Uint8Array(0), labels: new Int32Array(0) },
});

const observed = (maxBytes: number) => {
  const seen = { hits: 0, misses: 0, bytes: 0 };
  const cache = new DatasetCache(maxBytes, {
    hit: () => void seen.hits++,
    miss: () => void seen.misses++,
    loaded: () => undefined,
    bytes: (held) => void (seen.bytes = held),
  });
  const loads: string[] = [];
  const get = (key: string, bytes = 10) =>
    cache.get(key, async () => {
      loads.push(key);
      await Promise.resolve();
      return dataset(bytes);
    });
  return { seen, get, loads, cache };
};

describe('the cache of data sets', () => {
  it('loads once, however many ask at once', async () => {
    const { get, loads, seen } = observed(100);
    const all = await Promise.all([get('a'), get('a'), get('a')]);
    expect(loads).toEqual(['a']);
    expect(new Set(all).size).toBe(1);
    await get('a');
    expect(seen).toEqual({ hits: 1, misses: 1, bytes: 10 });
  });

  it('drops what was used longest ago when it passes its bound', async () => {
    const { get, loads, seen } = observed(25);
    await get('a');
    await get('b');
    await get('a');
    await get('c');
    expect(seen.bytes).toBe(20);
    await get('a');
    expect(loads).toEqual(['a', 'b', 'c']);
    await get('b');
    expect(loads).toEqual(['a', 'b', 'c', 'b']);
  });

  it('keeps the newest even if it is larger than the bound', async () => {
    const { get, loads } = observed(5);
    await get('large', 50);
    await get('large', 50);
    expect(loads).toEqual(['large']);
  });

  it('forgets a load that failed', async () => {
    const { cache, get, loads } = observed(100);
    await expect(cache.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await get('a');
    expect(loads).toEqual(['a']);
  });
});
