import type { KeyRange, ParameterLayout } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rangesLength } from '../key-range.ts';
import type { PlacementName } from './place-parameters.ts';
import { maxShards, placementBalance, placeParameters } from './place-parameters.ts';

const layoutOf = (trainable: number[], state: number[] = []): ParameterLayout => {
  let offset = 0;
  const variables = [...trainable, ...state].map((length, index) => {
    const variable = { name: `v${index}`, shape: [length], offset, length, trainable: index < trainable.length };
    offset += length;
    return variable;
  });
  return { length: offset, trainableLength: trainable.reduce((a, b) => a + b, 0), variables };
};
const policies: PlacementName[] = ['roundRobin', 'byteBalanced', 'split'];
/** MLP 784-100-100-10 of tensorflow issue 24953. */
const mlp = layoutOf([78_400, 100, 10_000, 100, 1000, 10]);
const mnistCnn = layoutOf([288, 32, 18_432, 64, 204_800, 128, 1280, 10]);

describe('placeParameters', () => {
  it.each(policies)(
    '%s puts every offset, state included, on exactly one shard and leaves no shard empty',
    (policy) => {
      const lengths = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 });
      fc.assert(
        fc.property(lengths, lengths, fc.integer({ min: 1, max: 40 }), (trainable, state, wanted) => {
          const layout = layoutOf(trainable, state);
          fc.pre(layout.length > 0);
          const shards = Math.min(wanted, maxShards(layout, policy));
          const placement = placeParameters(layout, shards, policy);
          expect(placement).toHaveLength(shards);
          const owners = new Uint8Array(layout.length);
          for (const ranges of placement) {
            expect(rangesLength(ranges)).toBeGreaterThan(0);
            expectSortedAndApart(ranges);
            for (const { begin, end } of ranges) for (let at = begin; at < end; at++) owners[at]! += 1;
          }
          expect(owners.every((count) => count === 1)).toBe(true);
        }),
      );
    },
  );

  it.each(policies)('%s places the same layout alike each time', (policy) => {
    expect(placeParameters(mnistCnn, 3, policy)).toEqual(placeParameters(mnistCnn, 3, policy));
  });

  it('shows how round robin overloads one of four shards with an MLP, and that split does not', () => {
    const balance = (policy: PlacementName) => placementBalance(placeParameters(mlp, 4, policy));
    expect(balance('roundRobin').bytes).toEqual([79_400 * 4, 110 * 4, 10_000 * 4, 100 * 4]);
    expect(balance('roundRobin').imbalance).toBeGreaterThan(3.5);
    expect(balance('split').imbalance).toBeLessThan(1.01);
  });

  it('balances whole variables as well as they allow', () => {
    const placement = placeParameters(layoutOf([10, 60, 30, 50, 40, 20]), 3, 'byteBalanced');
    expect(placement.map(rangesLength)).toEqual([70, 70, 70]);
  });

  it('cuts large variables but not small ones when it splits', () => {
    const placement = placeParameters(layoutOf([995, 10, 995]), 2, 'split');
    expect(placement).toEqual([[{ begin: 0, end: 995 }], [{ begin: 995, end: 2000 }]]);
    expect(placeParameters(layoutOf([2000]), 2, 'split')).toEqual([
      [{ begin: 0, end: 1000 }],
      [{ begin: 1000, end: 2000 }],
    ]);
  });

  it('refuses more shards than values, and says how many there may be', () => {
    expect(() => placeParameters(layoutOf([3, 2]), 6, 'split')).toThrow(
      /6 shards are more.*5 values.*at most 5 shards\.$/,
    );
    expect(() => placeParameters(layoutOf([3, 2]), 3, 'roundRobin')).toThrow(
      /whole variables.*at most 2 shards, or use placement "split"/,
    );
  });

  it('refuses shards above 4 GiB with what the update rule remembers, and says how many shards would do', () => {
    const adam = { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;
    const sgd = { kind: 'sgd', learningRate: 0.05 } as const;
    // 26 bytes a value with Adam (itself, two slots, a gradient, a mean, an addend, a bfloat16 to be sent), 18 with SGD, and two scales for 256.
    const large = layoutOf([600_000_000]);
    expect(() => placeParameters(large, 1, 'split', adam)).toThrow(
      /adam on 1 shard .*14\.5 GiB.*Ask for 4 shards or more/,
    );
    expect(() => placeParameters(large, 2, 'split', adam)).toThrow(
      /2 shards one of them would need 7\.3 GiB.*Ask for 4/,
    );
    expect(() => placeParameters(large, 1, 'split', sgd)).toThrow(/Ask for 3 shards/);
    expect(placeParameters(large, 4, 'split', adam)).toHaveLength(4);
    expect(placeParameters(large, 3, 'split', sgd)).toHaveLength(3);
    expect(() => placeParameters(large, 1, 'byteBalanced', adam)).toThrow(/Use placement "split" and more shards\.$/);
    expect(() => placeParameters(layoutOf([1, 2_000_000_000], [5]), 2, 'byteBalanced', sgd)).toThrow(
      /placement "split"/,
    );
    // Within the limit to the last value.
    const most = Math.floor((4 * 2 ** 30 - 65536 - 4160 - 5 * 64) / (18 + 8 / 256));
    expect(placeParameters(layoutOf([most]), 1, 'split', sgd)).toHaveLength(1);
    expect(() => placeParameters(layoutOf([most + 64]), 1, 'split', sgd)).toThrow('4 GiB');
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %s shards', (shards) => {
    expect(() => placeParameters(mlp, shards, 'split')).toThrow('shards');
  });
});

const expectSortedAndApart = (ranges: readonly KeyRange[]): void => {
  for (let at = 1; at < ranges.length; at++) expect(ranges[at]!.begin).toBeGreaterThan(ranges[at - 1]!.end);
};
