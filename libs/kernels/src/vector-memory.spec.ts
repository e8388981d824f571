import { describe, expect, it } from 'vitest';
import { Kernels } from './kernels.ts';
import { VectorMemory } from './vector-memory.ts';

describe('VectorMemory', () => {
  it.each([false, true])(
    'cuts aligned vectors that read as zeros and do not touch each other (shared: %s)',
    (shared) => {
      const memory = VectorMemory.create(5 * 64, { shared });
      const vectors = [memory.float32(3), memory.uint16(1), memory.int8(64), memory.uint8(5), memory.float32(0)];
      expect(memory.buffer instanceof SharedArrayBuffer).toBe(shared);
      for (const vector of vectors) {
        expect(vector.buffer).toBe(memory.buffer);
        expect(vector.byteOffset % 64).toBe(0);
        expect([...vector].every((value) => value === 0)).toBe(true);
      }
      for (const [index, vector] of vectors.entries()) vector.fill(index + 1);
      for (const [index, vector] of vectors.entries())
        expect([...vector].every((value) => value === index + 1)).toBe(true);
    },
  );

  it('says what to do when a vector is too large for one memory', () => {
    expect(() => VectorMemory.create(4 * 2 ** 30 - 65536)).toThrow(/split the vector on more shards/);
    expect(() => VectorMemory.create(65536).float32(65536)).toThrow(RangeError);
  });

  it('reaches the end of the largest memory', () => {
    const memory = VectorMemory.create(VectorMemory.maxVectorBytes);
    memory.uint8(VectorMemory.maxVectorBytes - 128);
    const last = memory.float32(32);
    last.fill(3);
    Kernels.of(memory).vectors.scale(last, 2);
    expect([...last].every((value) => value === 6)).toBe(true);
    expect(last.byteOffset + last.byteLength).toBe(4 * 2 ** 30 - 65536);
  });

  it.each([false, true])('can be had by the hundred, and costs nothing before it is used (shared: %s)', (shared) => {
    const before = process.memoryUsage.rss();
    const memories = Array.from({ length: 300 }, () => VectorMemory.create(2 ** 28, { shared }));
    for (const memory of memories) Kernels.of(memory);
    expect(memories).toHaveLength(300);
    // 75 GiB of addresses.
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
  });
});
