import type { CutNode } from '@downpour/contracts';
import { graphOf } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { graphDrawing } from './graph-drawing.ts';

const node = (layer: string, partition: number, inputs: string[], outputBytes = 2048): CutNode => {
  return { layer, className: 'Dense', partition, inputs, parameters: 10, costMs: 1.5, outputBytes };
};

/** An inception module, cut between its branches. */
const NODES = [
  node('stem', 0, ['input']),
  node('1x1', 0, ['stem']),
  node('3x3_reduce', 1, ['stem']),
  node('3x3', 1, ['3x3_reduce']),
  node('pool', 1, ['stem']),
  node('projection', 1, ['pool']),
  node('output', 1, ['1x1', '3x3', 'projection'], 100),
];
const draw = (nodes: CutNode[]) => graphDrawing(graphOf({ partitions: 2, nodes, variables: [] }));

describe('The drawing of a cut', () => {
  const boxes = [
    ...draw(NODES).matchAll(/<title>([^,]+), partition (\d)<\/title><rect x="([\d.]+)" y="(\d+)" width="(\d+)"/g),
  ];
  const at = new Map(boxes.map(([, layer, partition, x, y]) => [layer!, { partition, x: Number(x), y: Number(y) }]));

  it('has a box for each layer below those that it reads, none over another', () => {
    expect([...at.keys()].sort()).toEqual(NODES.map(({ layer }) => layer).sort());
    for (const { layer, inputs } of NODES)
      for (const input of inputs) if (at.has(input)) expect(at.get(layer)!.y).toBeGreaterThan(at.get(input)!.y);
    const all = [...at.values()];
    for (const [i, a] of all.entries())
      for (const b of all.slice(0, i)) expect(a.y !== b.y || Math.abs(a.x - b.x) > 138).toBe(true);
    expect(at.get('stem')!.x).toBeCloseTo(at.get('3x3_reduce')!.x);
  });

  it('says once what crosses to a partition, and draws every line of it', () => {
    const drawing = draw(NODES);
    expect(drawing.match(/>2 KiB</g)).toHaveLength(2);
    expect(drawing.match(/stroke-width="2"/g)).toHaveLength(3);
    expect(drawing).toContain('partition 1: 5 layers, 50 parameters, 7.50 ms for 64 examples (71 %)');
  });

  it('takes no markup from the name of a layer', () => {
    expect(draw([node('<script>', 0, []), node('a&b', 1, ['<script>'])])).not.toMatch(/<script|a&b/);
  });
});
