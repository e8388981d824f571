import { jobPlanSchema, type JobPlan } from '@downpour/contracts';
import type { ParameterClient } from '@downpour/training';
import { fakePlan } from '@downpour/training/fakes';
import { describe, expect, it } from 'vitest';
import type { PlanView } from './viewed-plans.ts';
import { bytesOf, wholeParameters } from './whole-parameters.ts';

const VECTOR = Float32Array.from({ length: 10 }, (_, i) => i);
/** Each shard's ranges, in a vector of ten. */
const RANGES = [
  [
    { begin: 0, end: 3 },
    { begin: 8, end: 10 },
  ],
  [{ begin: 3, end: 8 }],
];

function planOf(): JobPlan {
  const layout = {
    length: 10,
    trainableLength: 9,
    variables: [{ name: 'a', shape: [10], offset: 0, length: 10, trainable: true }],
  };
  const shards = RANGES.map((ranges, shard) => ({ shard, ranges, instance: 'shard', ownership: 1 }));
  return jobPlanSchema.parse({ ...fakePlan({ examples: 10, chunkSize: 10 }), layout, shards });
}

describe('the whole vector', () => {
  it('comes in its order, with one shard of it in memory at a time', async () => {
    const pulls: number[] = [];
    let open = 0;
    const openParameters = async (plan: JobPlan, view: PlanView = (whole) => whole) => {
      open += 1;
      const { layout, shards } = view(plan);
      const pull: ParameterClient['pull'] = async (into) => {
        const [shard] = shards.flatMap(({ ranges }, i) => (ranges.length > 0 ? [i] : []));
        pulls.push(shard!);
        expect(into.vector.length).toBe(layout.length);
        into.vector.set(RANGES[shard!]!.flatMap(({ begin, end }) => [...VECTOR.subarray(begin, end)]));
        return into;
      };
      return { pull, push: () => Promise.reject(new Error('reads only')), close: async () => void (open -= 1) };
    };
    const parts: number[][] = [];
    const vector = wholeParameters(planOf(), { openParameters }, new AbortController().signal);
    for await (const part of vector) parts.push([...part]);
    expect(parts).toEqual([
      [0, 1, 2],
      [3, 4, 5, 6, 7],
      [8, 9],
    ]);
    expect(pulls).toEqual([0, 1, 0]);
    expect(open).toBe(0);
  });

  it.each([
    ['all of it', [{ begin: 0, end: 10 }]],
    ['what lies across parts', [{ begin: 2, end: 9 }]],
    ['several ranges of one part, and none of another', [1, 3, 9].map((begin) => ({ begin, end: begin + 1 }))],
    ['nothing', []],
  ])('is written as bytes: %s', async (_, ranges) => {
    const parts = [VECTOR.subarray(0, 5), VECTOR.subarray(5, 6), VECTOR.subarray(6)];
    const bytes: Uint8Array[] = [];
    for await (const piece of bytesOf(parts, ranges)) bytes.push(piece);
    const expected = ranges.flatMap(({ begin, end }) => [...VECTOR.subarray(begin, end)]);
    expect(Buffer.concat(bytes)).toEqual(Buffer.from(Float32Array.from(expected).buffer));
  });
});
