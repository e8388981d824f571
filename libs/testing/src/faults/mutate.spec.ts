import { describe, expect, it } from 'vitest';
import { mutateBytes, mutateValue } from './mutate.ts';
import { SeededRandom } from './seeded-random.ts';

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
const value = { type: 'push', v: 1, list: [1, 2, { deep: 'x' }], nothing: null };

describe('mutations', () => {
  it('of bytes change them, leave the original alone, and follow from the seed', () => {
    const original = bytes.slice();
    const [one, two] = [new SeededRandom(5), new SeededRandom(5)];
    const lengths = new Set<number>();
    for (let round = 0; round < 2000; round++) {
      const mutated = mutateBytes(one, bytes, [bytes]);
      expect(Buffer.compare(mutated, bytes)).not.toBe(0);
      expect(mutateBytes(two, bytes, [bytes])).toEqual(mutated);
      lengths.add(mutated.byteLength);
    }
    expect(bytes).toEqual(original);
    expect(lengths.size).toBeGreaterThan(100);
  });

  it('of nothing are still bytes', () => {
    const random = new SeededRandom(6);
    for (let round = 0; round < 200; round++) expect(mutateBytes(random, new Uint8Array(0))).toBeInstanceOf(Uint8Array);
  });

  it('of values reach every place of them and leave the original alone', () => {
    const original = structuredClone(value);
    const random = new SeededRandom(7);
    const changed = new Set<string>();
    for (let round = 0; round < 2000; round++) {
      const mutated = mutateValue(random, value) as Partial<typeof value>;
      for (const key of Object.keys(value) as (keyof typeof value)[])
        if (
          typeof mutated === 'object' &&
          mutated !== null &&
          JSON.stringify(mutated[key]) !== JSON.stringify(value[key])
        )
          changed.add(key);
    }
    expect(value).toEqual(original);
    expect(changed).toEqual(new Set(Object.keys(value)));
  });
});
