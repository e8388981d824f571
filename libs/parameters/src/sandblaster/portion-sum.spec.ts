import { describe, expect, it } from 'vitest';
import { PortionSum } from './portion-sum.ts';

/** Numbers whose sum in float64 depends on the order of additions. */
const gradients = (portions: number, length: number): Float32Array[] => {
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
  return Array.from({ length: portions }, () =>
    Float32Array.from({ length }, () => random() * 10 ** Math.floor(random() * 24)),
  );
};

const shuffled = <T>(values: readonly T[], seed: number): T[] => {
  const left = [...values];
  const order: T[] = [];
  for (let state = seed; left.length > 0;) {
    state = (state * 48271) % 2147483647;
    order.push(...left.splice(state % left.length, 1));
  }
  return order;
};

describe('PortionSum', () => {
  it.each([1, 2, 3, 7, 60, 61])('gives the same bits in any order of %i portions', (portions) => {
    const all = gradients(portions, 40);
    const sum = new PortionSum(40, portions);
    const results = Array.from({ length: 20 }, (_, seed) => {
      const order = all.map((_, portion) => portion);
      for (const portion of seed === 0 ? order : shuffled(order, seed)) sum.add(portion, all[portion]!);
      const into = new Float32Array(40);
      sum.mean(1, into);
      sum.clear();
      return into;
    });
    for (const result of results) expect(result).toEqual(results[0]);
    const exact = results[0]!.map((_, i) => all.reduce((total, gradient) => total + gradient[i]!, 0));
    for (const [i, value] of results[0]!.entries()) expect(value).toBeCloseTo(exact[i]!, -5);
  });

  it('holds few vectors when portions come about in order, and none of those that are through', () => {
    const sum = new PortionSum(4, 64);
    let most = 0;
    for (let portion = 0; portion < 64; portion += 2)
      for (const each of [portion + 1, portion]) {
        sum.add(each, new Float32Array(4).fill(1));
        most = Math.max(most, sum.held);
      }
    expect(most).toBeLessThanOrEqual(7);
    const mean = new Float32Array(4);
    sum.mean(64, mean);
    expect([...mean]).toEqual([1, 1, 1, 1]);
  });

  it('gives the same bits whichever comes first of a portion that adds nothing and one of negative zeros', () => {
    const results = [
      [0, 1],
      [1, 0],
    ].map((order) => {
      const sum = new PortionSum(1, 2);
      for (const portion of order) sum.add(portion, portion === 0 ? null : Float32Array.of(-0));
      const mean = new Float32Array(1);
      sum.mean(1, mean);
      return mean[0];
    });
    expect(results).toEqual([0, 0]);
  });

  it('has no sum while a portion is missing', () => {
    const sum = new PortionSum(1, 2);
    sum.add(1, Float32Array.of(1));
    expect(() => sum.mean(1, new Float32Array(1))).toThrow('missing');
    sum.add(0, null);
    expect(sum.complete).toBe(true);
  });
});
