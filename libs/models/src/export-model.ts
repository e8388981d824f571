import type { KeyRange, ParameterLayout, Variable } from '@downpour/contracts';
import { mainTopology } from './topology/main-topology.ts';
import type { Topology } from './topology/topology.ts';

export interface ExportedModel {
  /** Content of `model.json`, tfjs's layers-model format; its weights are in `weights.bin` beside it. */
  modelJson: string;
  /** What of the parameter vector makes `weights.bin`, float32, little-endian: all, unless auxiliary outputs are left out. In the vector's order. */
  weights: KeyRange[];
}

/** What `tf.loadLayersModel` of plain tfjs reads: the model up to its main output. */
export function exportModel(topology: Record<string, unknown>, layout: ParameterLayout): ExportedModel {
  const main = mainTopology(topology as Topology);
  const variables = keptVariables(topology as Topology, main, layout.variables);
  const weights = variables.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const model = {
    format: 'layers-model',
    generatedBy: 'Downpour',
    convertedBy: null,
    modelTopology: main,
    weightsManifest: [{ paths: ['weights.bin'], weights }],
  };
  return {
    modelJson: JSON.stringify(model),
    weights: variables.map(({ offset, length }) => ({ begin: offset, end: offset + length })),
  };
}

/** Those of layers that are left. A variable's name begins with its layer's, which may have slashes itself: the longest that fits is meant. */
function keptVariables(whole: Topology, main: Topology, variables: readonly Variable[]): readonly Variable[] {
  if (whole.config.layers.length === main.config.layers.length) return variables;
  const names = whole.config.layers.map((layer) => layer.config.name).sort((a, b) => b.length - a.length);
  const kept = new Set(main.config.layers.map((layer) => layer.config.name));
  return variables.filter((variable) => {
    const layer = names.find((name) => variable.name.startsWith(`${name}/`));
    return layer === undefined || kept.has(layer);
  });
}
