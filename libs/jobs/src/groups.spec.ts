import type { Groups } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formGroups } from './groups.ts';

const NONE: Groups = { newest: 0, formed: [] };
const membersOf = ({ formed }: Groups) => formed.map(({ members }) => members.join(' '));

describe('Groups of workers', () => {
  it('are as many as there are workers for, each worker in one, and settle', () => {
    const names = fc.uniqueArray(fc.constantFrom(...'abcdefghij'), { maxLength: 10 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4 }), fc.array(names, { maxLength: 5 }), (size, looks) => {
        let groups = NONE;
        for (const workers of looks) {
          const next = formGroups(groups, size, workers);
          const { formed } = next;
          expect(formed).toHaveLength(Math.floor(workers.length / size));
          const seated = formed.flatMap(({ members }) => members);
          expect(new Set(seated).size).toBe(seated.length);
          expect(seated.every((member) => workers.includes(member))).toBe(true);
          expect(new Set(formed.map(({ group }) => group)).size).toBe(formed.length);
          for (const group of formed) {
            const same = groups.formed.find(({ generation }) => generation === group.generation);
            if (same) expect(group).toEqual(same);
            else expect(group.generation).toBeGreaterThan(groups.newest);
          }
          expect(formGroups(next, size, workers)).toEqual(next);
          groups = next;
        }
      }),
    );
  });

  it('replace a member that is gone by one that is free, and leave the others where they are', () => {
    const before = formGroups(NONE, 2, ['a', 'b', 'c', 'd', 'e']);
    expect(membersOf(before)).toEqual(['a b', 'c d']);
    const after = formGroups(before, 2, ['b', 'c', 'd', 'e']);
    expect(membersOf(after)).toEqual(['e b', 'c d']);
    expect(after.formed.map(({ generation }) => generation)).toEqual([3, 2]);
  });

  it('are put together of what is left of two', () => {
    const before = formGroups(NONE, 2, ['a', 'b', 'c', 'd']);
    expect(membersOf(formGroups(before, 2, ['b', 'c']))).toHaveLength(1);
  });
});
