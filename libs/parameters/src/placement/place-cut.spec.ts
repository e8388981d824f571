import type { JobPlan, ModelCut, ParameterLayout } from '@downpour/contracts';
import { partitionView } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeCut } from './place-cut.ts';

/** Variables of these lengths; the last few are state. */
function layoutOf(lengths: number[], state: number): ParameterLayout {
  let offset = 0;
  const variables = lengths.map((length, i) => {
    const variable = { name: `v${i}`, shape: [length], offset, length, trainable: i < lengths.length - state };
    offset += length;
    return variable;
  });
  const trainableLength = variables.reduce((sum, { length, trainable }) => sum + (trainable ? length : 0), 0);
  return { length: offset, trainableLength, variables };
}

const cutOf = (partitions: number, variables: number[]): ModelCut => ({ partitions, nodes: [], variables });

describe('placeCut', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 4, maxLength: 12 });
  it('puts every offset on one shard, and each shard in one partition', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 2, max: 4 }),
        fc.nat(3),
        fc.integer({ min: 4, max: 9 }),
        (sizes, partitions, state, shards) => {
          const layout = layoutOf(sizes, state);
          const cut = cutOf(
            partitions,
            sizes.map((size, i) => (size * 7 + i) % partitions),
          );
          const owner = new Int32Array(layout.length).fill(-1);
          for (const { partition, ranges } of placeCut(layout, cut, shards, 'split'))
            for (const { begin, end } of ranges)
              for (let at = begin; at < end; at++) {
                expect(owner[at]).toBe(-1);
                owner[at] = partition;
              }
          const expected = layout.variables.flatMap(({ length }, i) =>
            new Array<number>(length).fill(cut.variables[i]!),
          );
          expect([...owner]).toEqual(expected);
        },
      ),
    );
  });

  it("is seen by a member as its own vector, whole, trainable part first, in the layout's order", () => {
    fc.assert(
      fc.property(lengths, fc.nat(3), (sizes, state) => {
        const layout = layoutOf(sizes, state);
        const cut = cutOf(
          2,
          sizes.map((_, i) => i % 2),
        );
        const shards = placeCut(layout, cut, 4, 'split').map((placed, shard) => ({
          shard,
          ...placed,
          instance: 'ps',
          ownership: 1,
        }));
        const whole = Float32Array.from({ length: layout.length }, (_, i) => i);
        for (const partition of [0, 1]) {
          const view = partitionView({ layout, cut, shards } as unknown as JobPlan, partition);
          const own = new Float32Array(view.layout.length).fill(-1);
          view.shards.forEach(({ ranges }, shard) => {
            const global = shards[shard]!.ranges.flatMap(({ begin, end }) => [...whole.subarray(begin, end)]);
            let at = 0;
            for (const { begin, end } of ranges) for (let i = begin; i < end; i++) own[i] = global[at++]!;
            expect(at).toBe(ranges.length === 0 ? 0 : global.length);
          });
          const expected = layout.variables.flatMap(({ offset, length }, i) =>
            cut.variables[i] === partition ? [...whole.subarray(offset, offset + length)] : [],
          );
          expect([...own]).toEqual(expected);
          expect(view.layout.variables.map(({ trainable }) => trainable)).toEqual(
            view.layout.variables.map(({ offset }) => offset < view.layout.trainableLength),
          );
        }
      }),
    );
  });

  it('gives large partitions more shards, and those without parameters none', () => {
    const placed = placeCut(layoutOf([900, 10, 90], 0), cutOf(4, [0, 1, 3]), 6, 'split');
    expect(placed.map(({ partition }) => partition)).toEqual([0, 0, 0, 0, 1, 3]);
  });

  it('refuses fewer shards than partitions, and says how many are needed', () => {
    expect(() => placeCut(layoutOf([5, 5], 0), cutOf(2, [0, 1]), 1, 'split')).toThrow(/ask for 2 or more/);
  });
});
