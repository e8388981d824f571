import type { Segment } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeExchanges, fakeExamples, FakePartition, ROWS } from './fakes.ts';
import { PartitionReplica } from './partition-replica.ts';

/** Each segment reads those before it that are named; the last holds the loss. */
function graph(nodes: readonly { partition: number; reads: readonly number[] }[]): Segment[] {
  const levels: number[] = [];
  return nodes.map(({ partition, reads }, index) => {
    levels[index] = Math.max(0, ...reads.map((from) => levels[from]! + (nodes[from]!.partition === partition ? 0 : 1)));
    return {
      index,
      partition,
      level: levels[index]!,
      layers: [`s${index}`],
      inputs: reads.map((from) => `s${from}`),
      outputs: nodes.some((node) => node.reads.includes(index)) ? [`s${index}`] : [],
      readsFeatures: reads.length === 0,
      holdsLoss: index === nodes.length - 1,
    };
  });
}

const chain = (...partitions: number[]) =>
  graph(partitions.map((partition, i) => ({ partition, reads: i === 0 ? [] : [i - 1] })));

/** A group whose members are in this process. */
function group(segments: readonly Segment[], microBatches: number, seed = 1) {
  const partitions = [...new Set(segments.map(({ partition }) => partition))].sort((a, b) => a - b);
  const exchanges = new FakeExchanges(seed);
  const members = partitions.map((partition) => {
    const own = segments.filter((segment) => segment.partition === partition);
    const compute = new FakePartition(segments, partition);
    const replica = new PartitionReplica({ partition, compute, length: own.length, microBatches, evaluationRows: 5 });
    replica.begin(exchanges.of(partition));
    const parameters = Float32Array.from(own, ({ index }) => 0.5 + index / 8);
    return { partition, own, compute, replica, parameters };
  });
  return { exchanges, members };
}

async function step(segments: readonly Segment[], microBatches: number, seed?: number) {
  const { members, exchanges } = group(segments, microBatches, seed);
  const examples = fakeExamples();
  const gradient = new Float32Array(segments.length);
  const results = await Promise.all(
    members.map(({ replica, parameters }) => replica.step(parameters, examples, 0, ROWS, 7)),
  );
  members.forEach(({ own }, m) => own.forEach(({ index }, i) => (gradient[index] = results[m]!.gradient[i]!)));
  return { gradient, loss: results.reduce((sum, { loss }) => sum + loss, 0), results, members, exchanges };
}

describe('A replica that is a group', () => {
  it('has the gradient and the loss of the model that is not cut, whatever the cut', async () => {
    const node = fc.record({
      partition: fc.integer({ min: 0, max: 3 }),
      reads: fc.array(fc.nat(100), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(node, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1000),
        async (nodes, microBatches, seed) => {
          const read = new Set<number>();
          const wired = nodes.map(({ partition, reads }, i) => {
            const from = [...new Set(i === 0 ? [] : reads.map((each) => each % i))];
            from.forEach((each) => read.add(each));
            return { partition, reads: from };
          });
          // What nobody reads goes to the loss.
          const open = wired.map((_, i) => i).filter((i) => !read.has(i));
          const all = [...wired, { partition: nodes[0]!.partition, reads: open }];
          const cut = graph(all);
          const whole = graph(all.map(({ reads }) => ({ partition: 0, reads })));
          const expected = await step(whole, 1);
          const actual = await step(cut, microBatches, seed);
          expect(actual.loss).toBeCloseTo(expected.loss, 4);
          actual.gradient.forEach((value, i) => expect(value).toBeCloseTo(expected.gradient[i]!, 3));
          for (const { compute } of actual.members) expect(compute.kept.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('sends a tensor once to each partition that reads it, and one gradient back', async () => {
    const segments = graph([
      { partition: 0, reads: [] },
      { partition: 1, reads: [0] },
      { partition: 1, reads: [0] },
      { partition: 2, reads: [0, 1, 2] },
    ]);
    const { exchanges } = await step(segments, 1);
    const ofFirst = exchanges.sent.filter((key) => key.endsWith('s0')).sort();
    expect(ofFirst).toEqual(['0>1 0.0 forward s0', '0>2 0.0 forward s0', '1>0 0.0 backward s0', '2>0 0.0 backward s0']);
  });

  it('keeps no more micro-batches than partitions are still to come (1F1B)', async () => {
    const { members } = await step(chain(0, 1, 2, 3), 12);
    expect(members.map(({ compute }) => compute.mostKept)).toEqual([4, 3, 2, 1]);
    expect(members[3]!.compute.order.slice(0, 4)).toEqual(['f3.0', 'b3.0', 'f3.1', 'b3.1']);
  });

  it('says how the model does where its output is, and nothing elsewhere', async () => {
    const { results } = await step(chain(0, 1), 3);
    expect(results.map(({ accuracy }) => accuracy)).toEqual([null, 1]);
    expect(results[0]!.loss).toBe(0);
  });

  it('evaluates without keeping anything', async () => {
    const { members } = group(chain(0, 1, 0), 2);
    const sums = await Promise.all(
      members.map(({ replica, parameters }) => replica.evaluate(parameters, fakeExamples())),
    );
    expect(sums.map(({ examples }) => examples)).toEqual([ROWS, 0]);
    const product = 0.5 * 0.625 * 0.75;
    const total = [...fakeExamples().features].reduce((sum, value) => sum + value, 0);
    expect(sums[0]!.lossSum).toBeCloseTo(product * total, 5);
    for (const { compute } of members) expect(compute.mostKept).toBe(0);
  });

  it('forgets what it has kept when the chunk is given up', async () => {
    const { members, exchanges } = group(chain(0, 1), 2);
    const [first] = members;
    const waiting = first!.replica.step(first!.parameters, fakeExamples(), 0, ROWS, 7);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(first!.compute.kept.size).toBe(2);
    exchanges.close(new Error('given up'));
    await expect(waiting).rejects.toThrow('given up');
    expect(first!.compute.kept.size).toBe(0);
  });
});
