import type { PartitionsSpec } from '@downpour/contracts';
import { functionalOf } from '../topology/functional.ts';
import { invalidModel } from '../topology/invalid-model.ts';
import type { LayerNode, Topology } from '../topology/topology.ts';
import { matches, nothingMatches } from './layer-patterns.ts';

/** What is cut, by the layer's class: the last axis of its output. */
const WIDTHS: Record<string, 'units' | 'filters'> = { Dense: 'units', Conv2D: 'filters' };

/**
 * Wide layers as parts side by side that are joined again: each part has its share of the units or filters, so the whole is the same function of the same
 * number of parameters. The parts are ordinary layers, `<layer>_part_0` and so on, and a Concatenate has the layer's name. They are drawn as layers of their own: an initialiser
 * that goes by the fan-out draws somewhat larger values for a part than for the whole.
 * @throws DownpourError invalid-model for a layer that can not be split
 */
export function splitLayers(topology: Topology, split: PartitionsSpec['split']): Topology {
  if (!split || Object.keys(split).length === 0) return topology;
  const whole = functionalOf(topology);
  const names = whole.config.layers.map(({ config }) => config.name);
  for (const pattern of Object.keys(split))
    if (!names.some((name) => matches(pattern, name)))
      throw nothingMatches(`partitions.split.${pattern}`, pattern, names);
  const layers = whole.config.layers.flatMap((layer) => {
    const pattern = Object.keys(split).find((each) => matches(each, layer.config.name));
    // A pattern is for those of the layers that it matches which can be split.
    if (pattern === undefined || (pattern.includes('*') && !(layer.class_name in WIDTHS))) return [layer];
    return partsOf(layer, split[pattern]!, `partitions.split.${pattern}`, names);
  });
  return { ...whole, config: { ...whole.config, layers } };
}

function partsOf(layer: LayerNode, parts: number, field: string, taken: readonly string[]): LayerNode[] {
  const { name } = layer.config;
  const key = WIDTHS[layer.class_name];
  if (!key) throw invalidModel(field, `Layer ${name} is a ${layer.class_name}; Dense and Conv2D layers can be split.`);
  const width = layer.config[key] as number;
  if (width % parts !== 0)
    throw invalidModel(field, `Layer ${name} has ${width} ${key}, which is no multiple of ${parts}. Name a divisor.`);
  if (layer.config['activation'] === 'softmax')
    throw invalidModel(
      field,
      `Layer ${name} ends in softmax, which reads all ${key} at once. Put the softmax in a layer of its own (Activation), or leave the layer whole.`,
    );
  const calls = layer.inbound_nodes ?? [];
  if (calls.length > 1)
    throw invalidModel(field, `Layer ${name} is used at ${calls.length} places and can not be split.`);
  const list = Array.from({ length: parts }, (_, i): LayerNode => {
    const part = `${name}_part_${i}`;
    if (taken.includes(part)) throw invalidModel(field, `There is a layer named ${part} already. Rename it.`);
    const config = { ...layer.config, name: part, [key]: width / parts };
    for (const [setting, value] of Object.entries(config))
      if (setting.endsWith('_initializer')) config[setting as 'name'] = seededApart(value, i) as string;
    return { ...layer, name: part, config };
  });
  return [
    ...list,
    {
      class_name: 'Concatenate',
      name,
      config: { name, axis: -1 },
      inbound_nodes: [list.map((part) => [part.config.name, 0, 0, {}])],
    },
  ];
}

/** Parts of one seed would be the same numbers. */
function seededApart(initializer: unknown, part: number): unknown {
  const { class_name, config } = (initializer ?? {}) as { class_name?: string; config?: Record<string, unknown> };
  if (typeof config?.['seed'] !== 'number') return initializer;
  return { class_name, config: { ...config, seed: config['seed'] + part } };
}
