import { expect, describe, it } from 'vitest';
import { ExamplesMemory } from './shared-examples.ts';

const examples = (count: number) => ({
  count,
  features: Uint8Array.from({ length: 3 * count }, (_, i) => i),
  labels: Int32Array.from({ length: count }, (_, i) => -i),
});

describe('memory for examples', () => {
  it('holds copies that all threads see', () => {
    const given = examples(5);
    const copy = new ExamplesMemory().copy(given);
    expect(copy).toEqual(given);
    expect(copy.features.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(copy.labels.buffer).toBe(copy.features.buffer);
    expect(copy.labels.byteOffset % 64).toBe(0);
  });

  it('is used again once it was given back, where it is large enough', () => {
    const memory = new ExamplesMemory();
    const [one, other] = [memory.copy(examples(100)), memory.copy(examples(100))];
    expect(other.features.buffer).not.toBe(one.features.buffer);
    memory.giveBack(one);
    const larger = memory.copy(examples(200));
    expect(larger).toEqual(examples(200));
    const smaller = memory.copy(examples(7));
    expect(smaller.features.buffer).toBe(one.features.buffer);
    expect(smaller).toEqual(examples(7));
    expect(other).toEqual(examples(100));
  });

  it('is kept of the last few only', () => {
    const memory = new ExamplesMemory();
    const copies = Array.from({ length: 6 }, () => memory.copy(examples(100)));
    for (const copy of copies) memory.giveBack(copy);
    const again = Array.from({ length: 6 }, () => memory.copy(examples(100)).features.buffer);
    expect(new Set([...copies.map(({ features }) => features.buffer), ...again]).size).toBe(8);
  });
});
