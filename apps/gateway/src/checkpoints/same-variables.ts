import type { Topology } from '@downpour/models/topology';

/** What of a layer decides which variables it has, beside its input. */
const TELLING = ['units', 'filters', 'kernel_size', 'use_bias', 'input_dim', 'output_dim', 'depth_multiplier'] as const;

/**
 * Whether two models certainly have other variables: what differs, or null. The last word has the layout, once the model is built; this is to refuse the plain cases
 * before a job is stored.
 */
export function sameVariables(first: Topology, second: Topology): string | null {
  const theirs = telling(first);
  const ours = telling(second);
  for (const [index, layer] of ours.entries()) {
    const other = theirs[index];
    if (other === undefined) return `it has no layer ${layer}`;
    if (other !== layer) return `where this one has layer ${layer}, it has ${other}`;
  }
  return theirs.length > ours.length
    ? `it has ${theirs.length} layers with weights, this one has ${ours.length}`
    : null;
}

function telling({ config }: Topology): string[] {
  return config.layers.flatMap(({ class_name: kind, config: layer }) => {
    const said = TELLING.filter((key) => layer[key] !== undefined && layer[key] !== null);
    if (!said.some((key) => key === 'units' || key === 'filters' || key === 'output_dim')) return [];
    return [
      `${String(layer['name'])} (${[kind, ...said.map((key) => `${key} ${JSON.stringify(layer[key])}`)].join(', ')})`,
    ];
  });
}
