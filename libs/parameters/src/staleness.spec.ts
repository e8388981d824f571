import { describe, expect, it } from 'vitest';
import { StalenessStatistics } from './staleness.ts';

describe('StalenessStatistics', () => {
  it('knows mean, maximum and distribution', () => {
    const statistics = new StalenessStatistics();
    for (const staleness of [0, 1, 1, 4]) statistics.record(staleness);
    expect(statistics.mean).toBe(1.5);
    expect(statistics.max).toBe(4);
    expect(statistics.capture().histogram).toEqual([1, 2, 0, 0, 1]);
  });

  it('is 0 before the first push', () => {
    expect(new StalenessStatistics().mean).toBe(0);
  });

  it('keeps a bounded histogram, and the maximum all the same', () => {
    const statistics = new StalenessStatistics();
    statistics.record(1_000_000);
    expect(statistics.capture().histogram).toHaveLength(64);
    expect(new StalenessStatistics(statistics.capture()).max).toBe(1_000_000);
  });
});
