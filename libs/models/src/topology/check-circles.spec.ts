import { describe, expect, it } from 'vitest';
import { checkCircles } from './check-circles.ts';
import type { LayerNode } from './topology.ts';

const layer = (name: string, ...calls: [string, number][][]): LayerNode => ({
  class_name: 'Add',
  name,
  config: { name },
  inbound_nodes: calls.map((call) => call.map(([source, node]) => [source, node, 0, {}])),
});

describe('Connections', () => {
  it('may be written in any order, and use a layer twice', () => {
    const layers = [layer('c', [['b', 1]]), layer('b', [['a', 0]], [['b', 0]]), layer('a')];
    expect(() => checkCircles(layers, 'layers')).not.toThrow();
  });

  it.each([
    [
      'a layer that reads itself',
      [
        layer('a'),
        layer('b', [
          ['a', 0],
          ['b', 0],
        ]),
      ],
      'layers[1]',
      ': b.',
    ],
    [
      'layers that read each other',
      [layer('a'), layer('b', [['c', 0]]), layer('c', [['b', 0]])],
      'layers[1]',
      ': b, c.',
    ],
    ['a call that is not made', [layer('a'), layer('b', [['a', 1]])], 'layers[1]', ': b.'],
  ])('are refused for %s', (_, layers, field, names) => {
    expect(() => checkCircles(layers, 'layers')).toThrow(
      `${field}.inbound_nodes: Layers wait for each other in a circle`,
    );
    expect(() => checkCircles(layers, 'layers')).toThrow(names);
  });
});
