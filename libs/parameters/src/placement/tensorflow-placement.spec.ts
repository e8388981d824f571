import type { Partitioner, Placement } from '@downpour/contracts';
import { placementSchema } from '@downpour/contracts';
import type { ParameterLayout } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rangesLength } from '../key-range.ts';
import { partitionVariables, piecesOf } from './partition-variables.ts';
import { maxShards, placementBalance, placeParameters } from './place-parameters.ts';

const layoutOf = (...shapes: number[][]): ParameterLayout => {
  let offset = 0;
  const variables = shapes.map((shape, index) => {
    const length = shape.reduce((size, n) => size * n, 1);
    offset += length;
    return { name: `v${index}`, shape, offset: offset - length, length, trainable: true };
  });
  return { length: offset, trainableLength: offset, variables };
};
/** The MLP of tensorflow issue 24953. */
const mlp = layoutOf([784, 100], [100], [100, 100], [100], [100, 10], [10]);

describe("TensorFlow's placement", () => {
  it.each<[Partitioner, number[], number]>([
    [{ kind: 'fixedShards', shards: 3 }, [10, 4], 3],
    [{ kind: 'fixedShards', shards: 3 }, [2, 4], 2],
    [{ kind: 'fixedShards', shards: 3 }, [], 1],
    // 784 * 100 * 4 bytes / 256 KiB = 1.2
    [{ kind: 'minSize', maxPartitions: 4, minSliceBytes: 262_144 }, [784, 100], 2],
    [{ kind: 'minSize', maxPartitions: 4, minSliceBytes: 1024 }, [784, 100], 4],
    [{ kind: 'minSize', maxPartitions: 4, minSliceBytes: 262_144 }, [100], 1],
    // 400 bytes a row, 65,536 / 400 = 163 rows a piece
    [{ kind: 'maxSize', maxShardBytes: 65_536 }, [784, 100], 5],
    [{ kind: 'maxSize', maxShardBytes: 100 }, [784, 100], 784],
    [{ kind: 'maxSize', maxShardBytes: 100, maxShards: 7 }, [784, 100], 7],
  ])('%j cuts %j into %i', (partitioner, shape, pieces) => {
    const length = shape.reduce((size, n) => size * n, 1);
    expect(piecesOf({ shape, length }, partitioner)).toBe(pieces);
  });

  it('gives rows that are left over to the first pieces, as TensorFlow does', () => {
    const { variables } = partitionVariables(layoutOf([10, 4]), { kind: 'fixedShards', shards: 4 });
    expect(variables.map(({ shape, offset }) => [shape, offset])).toEqual([
      [[3, 4], 0],
      [[3, 4], 12],
      [[2, 4], 24],
      [[2, 4], 32],
    ]);
  });

  it('puts each variable on the shard that holds least when it is made', () => {
    const placement = placeParameters(layoutOf([4], [3], [2], [5], [1]), 2, 'greedy');
    // 4 | 3 | 2 to the second (5) | 5 to the first (9) | 1 to the second
    expect(placement.map(rangesLength)).toEqual([9, 6]);
  });

  it('lays issue 24953 on four shards: greedy helps nothing, partitioned variables do', () => {
    const bytes = (placement: Placement) => placementBalance(placeParameters(mlp, 4, placement)).bytes;
    const imbalance = (placement: Placement) => placementBalance(placeParameters(mlp, 4, placement)).imbalance;
    expect(bytes('roundRobin')).toEqual([317_600, 440, 40_000, 400]);
    expect(bytes('greedy')).toEqual([313_600, 4400, 40_000, 440]);
    const partitioner = { kind: 'fixedShards', shards: 4 } as const;
    expect(bytes({ policy: 'roundRobin', partitioner })).toEqual([89_612, 89_612, 89_608, 89_608]);
    expect(imbalance({ policy: 'greedy', partitioner })).toBeLessThan(1.001);
    expect(imbalance({ policy: 'greedy', partitioner: { kind: 'maxSize', maxShardBytes: 16_384 } })).toBeLessThan(1.05);
    expect(bytes('even')).toEqual(bytes('split'));
  });

  it('puts every value on exactly one shard, whatever the policy and the partitioner', () => {
    const shape = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 3 });
    const partitioner = fc.oneof(
      fc.record({ kind: fc.constant('fixedShards' as const), shards: fc.integer({ min: 1, max: 5 }) }),
      fc.record({
        kind: fc.constant('minSize' as const),
        maxPartitions: fc.integer({ min: 1, max: 5 }),
        minSliceBytes: fc.integer({ min: 1, max: 64 }),
      }),
      fc.record({ kind: fc.constant('maxSize' as const), maxShardBytes: fc.integer({ min: 1, max: 64 }) }),
    );
    const policy = fc.constantFrom('roundRobin' as const, 'greedy' as const, 'byteBalanced' as const);
    fc.assert(
      fc.property(
        fc.array(shape, { minLength: 1, maxLength: 5 }),
        policy,
        partitioner,
        fc.integer({ min: 1, max: 9 }),
        (shapes, name, cut, wanted) => {
          const layout = layoutOf(...shapes);
          fc.pre(layout.length > 0);
          const placement: Placement = { policy: name, partitioner: cut };
          const shards = Math.min(wanted, maxShards(layout, placement));
          const owners = new Uint8Array(layout.length);
          for (const ranges of placeParameters(layout, shards, placement)) {
            expect(rangesLength(ranges)).toBeGreaterThan(0);
            for (const { begin, end } of ranges) for (let at = begin; at < end; at++) owners[at]! += 1;
          }
          expect(owners.every((count) => count === 1)).toBe(true);
        },
      ),
    );
  });

  it('refuses a partitioner where the vector is cut anyhow, and names what was asked for when there are too many shards', () => {
    const { error } = placementSchema.safeParse({ policy: 'even', partitioner: { kind: 'fixedShards', shards: 2 } });
    expect(JSON.stringify(error)).toContain('a partitioner goes with');
    expect(() =>
      placeParameters(layoutOf([2, 2]), 3, { policy: 'greedy', partitioner: { kind: 'fixedShards', shards: 2 } }),
    ).toThrow(/"greedy with fixedShards" puts whole pieces.*at most 2 shards, or use placement "split"/);
  });
});
