import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chunkBounds,
  chunksInEpoch,
  examplesInPush,
  expectedPushes,
  pushesInChunk,
  pushesInEpoch,
  pushOffset,
  stepsInChunk,
} from './chunk-arithmetic.ts';
import type { ChunkPlan } from './layout.ts';

const plan = (part: Partial<ChunkPlan> = {}): ChunkPlan => ({
  examples: 60_000,
  chunkSize: 1024,
  batchSize: 64,
  nPush: 1,
  epochs: 5,
  seed: 1,
  ...part,
});

describe('chunk arithmetic', () => {
  it('cuts MNIST into 59 chunks, the last one short', () => {
    expect(chunksInEpoch(plan())).toBe(59);
    expect(chunkBounds(plan(), 58)).toEqual({ begin: 59_392, end: 60_000 });
    expect(stepsInChunk(plan(), 0)).toBe(16);
    expect(stepsInChunk(plan(), 58)).toBe(10);
    expect(pushesInEpoch(plan())).toBe(58 * 16 + 10);
    expect(expectedPushes(plan())).toBe(5 * 938);
  });

  it.each([
    { name: 'one example', part: { examples: 1 }, chunks: 1, pushes: 1 },
    { name: 'a chunk as long as the data', part: { examples: 1024 }, chunks: 1, pushes: 16 },
    { name: 'one example more than a chunk', part: { examples: 1025 }, chunks: 2, pushes: 17 },
    { name: 'windows that do not divide the chunk', part: { examples: 1024, nPush: 5 }, chunks: 1, pushes: 4 },
    { name: 'a window longer than the chunk', part: { examples: 2048, nPush: 100 }, chunks: 2, pushes: 2 },
    {
      name: 'batches larger than chunks',
      part: { examples: 100, chunkSize: 10, batchSize: 64 },
      chunks: 10,
      pushes: 10,
    },
  ])('counts $name', ({ part, chunks, pushes }) => {
    expect(chunksInEpoch(plan(part))).toBe(chunks);
    expect(pushesInEpoch(plan(part))).toBe(pushes);
  });

  it.each([-1, 59, 0.5])('refuses chunk %s, which the epoch does not have', (chunk) => {
    expect(() => chunkBounds(plan(), chunk)).toThrow(`Chunk ${chunk} is not one of the epoch's 59`);
  });

  it('puts every example into exactly one push and numbers the pushes of an epoch without gaps', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), size, size, size, (examples, chunkSize, batchSize, nPush) => {
        const cut = plan({ examples, chunkSize, batchSize, nPush });
        let next = 0;
        let counted = 0;
        for (let chunk = 0; chunk < chunksInEpoch(cut); chunk++) {
          expect(pushOffset(cut, chunk)).toBe(next);
          for (let push = 0; push < pushesInChunk(cut, chunk); push++) {
            const inPush = examplesInPush(cut, chunk, push);
            expect(inPush).toBeGreaterThan(0);
            counted += inPush;
          }
          next += pushesInChunk(cut, chunk);
        }
        expect(counted).toBe(examples);
        expect(pushesInEpoch(cut)).toBe(next);
      }),
    );
  });
});
