import { describe, expect, it } from 'vitest';
import type { UncutNode } from './assign-layers.ts';
import { automaticCut } from './automatic-cut.ts';

const node = (layer: string, inputs: string[], costMs: number, outputBytes = 100): UncutNode => {
  return { layer, className: 'Dense', inputs, costMs, outputBytes, parameters: 10 };
};
const cut = (nodes: UncutNode[], count: number, pinned: Record<string, number> = {}) =>
  automaticCut(nodes, count, new Map(Object.entries(pinned)));

describe('The automatic cut', () => {
  it('balances cost', () => {
    const nodes = [4, 2, 2, 9, 1, 6].map((cost, i) => node(`l${i}`, [i === 0 ? 'input' : `l${i - 1}`], cost * 10));
    expect(Object.values(cut(nodes, 3))).toEqual([0, 0, 0, 1, 2, 2]);
  });

  it('crosses where few bytes do', () => {
    const wide = 1e6;
    const nodes = [
      node('a', ['input'], 10, wide),
      node('b', ['a'], 10, wide),
      node('c', ['b'], 14, 40),
      node('d', ['c'], 10, wide),
    ];
    expect(Object.values(cut(nodes, 2))).toEqual([0, 0, 0, 1]);
  });

  it('puts branches side by side where that is less than a line can do', () => {
    const nodes = [
      node('stem', ['input'], 1),
      // In this order no cut of the line is balanced and crosses little.
      node('left1', ['stem'], 20, 4e5),
      node('right1', ['stem'], 20, 4e5),
      node('left2', ['left1'], 20, 4e5),
      node('right2', ['right1'], 20, 4e5),
      node('left3', ['left2'], 20, 100),
      node('right3', ['right2'], 20, 100),
      node('join', ['left3', 'right3'], 1),
    ];
    const places = cut(nodes, 2);
    for (const side of ['left', 'right'])
      expect(new Set([1, 2, 3].map((i) => places[`${side}${i}`])).size, JSON.stringify(places)).toBe(1);
    expect(places['left1']).not.toBe(places['right1']);
  });

  it('leaves pinned layers where they are, and every partition something', () => {
    const nodes = Array.from({ length: 12 }, (_, i) => node(`l${i}`, [i === 0 ? 'input' : `l${i - 1}`], 1, 1e6));
    const places = cut(nodes, 4, { l0: 3, l11: 0 });
    expect([places['l0'], places['l11']]).toEqual([3, 0]);
    expect(new Set(Object.values(places)).size).toBe(4);
  });

  it('cuts two hundred layers in a moment', () => {
    const nodes = Array.from({ length: 200 }, (_, i) =>
      node(`l${i}`, i < 3 ? ['input'] : [`l${i - 1 - (i % 3)}`], 1 + (i % 7), 1000 * (1 + (i % 5))),
    );
    const began = performance.now();
    expect(new Set(Object.values(cut(nodes, 4))).size).toBe(4);
    expect(performance.now() - began).toBeLessThan(4000);
  });
});
