import type { ParameterLayout, Variable } from '@downpour/contracts';
import { mainTopology } from './topology/main-topology.ts';
import type { Topology } from './topology/topology.ts';

export interface ExportedModel {
  /** Content of `model.json`, tfjs's layers-model format; its weights are in `weights.bin` beside it. */
  modelJson: string;
  /** Content of `weights.bin`: float32, little-endian. A view of the vector, not a copy, unless auxiliary outputs are left out. */
  weights: Uint8Array;
}

/** What `tf.loadLayersModel` of plain tfjs reads: the model up to its main output. `vector` is laid out by `layout`, without gaps. */
export function exportModel(
  topology: Record<string, unknown>,
  layout: ParameterLayout,
  vector: Float32Array,
): ExportedModel {
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
    weights: bytesOf(variables.length === layout.variables.length ? vector : gathered(variables, vector), variables),
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

function gathered(variables: readonly Variable[], vector: Float32Array): Float32Array {
  const parts = new Float32Array(variables.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const { offset, length } of variables) {
    parts.set(vector.subarray(offset, offset + length), end);
    end += length;
  }
  return parts;
}

function bytesOf(values: Float32Array, variables: readonly Variable[]): Uint8Array {
  const length = variables.reduce((sum, variable) => sum + variable.length, 0);
  return new Uint8Array(values.buffer, values.byteOffset, length * 4);
}
