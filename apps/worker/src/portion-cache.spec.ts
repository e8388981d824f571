import type { Examples } from '@downpour/training';
import { describe, expect, it } from 'vitest';
import { PortionCache } from './portion-cache.ts';

/** 100 bytes of features, 20 of labels. */
const examples = (): Examples => ({ count: 5, features: new Float32Array(25), labels: new Float32Array(5) });

describe('PortionCache', () => {
  it('fetches a portion once, be it asked for twice at a time', async () => {
    const cache = new PortionCache();
    let fetched = 0;
    const fetch = async () => {
      fetched += 1;
      return examples();
    };
    const [first, second] = await Promise.all([cache.get(3, fetch), cache.get(3, fetch)]);
    expect(second).toBe(first);
    expect(await cache.get(3, fetch)).toBe(first);
    expect([fetched, cache.bytes]).toEqual([1, 120]);
  });

  it('lets go of the oldest when there is no room for more', async () => {
    const cache = new PortionCache(300);
    const fetched: number[] = [];
    const get = (portion: number) =>
      cache.get(portion, async () => {
        fetched.push(portion);
        return examples();
      });
    for (const portion of [0, 1, 2]) await get(portion);
    expect(cache.bytes).toBe(240);
    await get(2);
    await get(0);
    expect(fetched).toEqual([0, 1, 2, 0]);
  });

  it('forgets what could not be fetched', async () => {
    const cache = new PortionCache();
    await expect(cache.get(1, () => Promise.reject(new Error('no sharder')))).rejects.toThrow('no sharder');
    expect((await cache.get(1, async () => examples())).count).toBe(5);
    expect(cache.bytes).toBe(120);
  });
});
