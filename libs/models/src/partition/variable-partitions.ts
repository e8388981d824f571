import type { ModelCut, ParameterLayout } from '@downpour/contracts';
import type { Assignment } from './segments.ts';

/** Layer of each variable of the layout: tfjs names a variable after its layer, `<layer>/kernel`. */
export function layersOfVariables(layout: ParameterLayout, layers: readonly string[]): string[] {
  const known = new Set(layers);
  return layout.variables.map(({ name }) => {
    // A layer's name may hold slashes of its own: the longest that fits.
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1))
      if (known.has(name.slice(0, end))) return name.slice(0, end);
    throw new Error(`Variable ${name} belongs to no layer`);
  });
}

/** Partition of each variable of the layout. */
export function variablePartitions(layout: ParameterLayout, assignment: Assignment): number[] {
  return layersOfVariables(layout, Object.keys(assignment)).map((layer) => assignment[layer]!);
}

/** Of a plan's cut: the partition of each layer. */
export function assignmentOf({ nodes }: Pick<ModelCut, 'nodes'>): Assignment {
  return Object.fromEntries(nodes.map(({ layer, partition }) => [layer, partition]));
}
