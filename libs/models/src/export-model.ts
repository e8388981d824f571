import type { ParameterLayout } from '@downpour/contracts';

export interface ExportedModel {
  /** Content of `model.json`, tfjs's layers-model format; its weights are in `weights.bin` beside it. */
  modelJson: string;
  /** Content of `weights.bin`: float32, little-endian. A view of the vector, not a copy. */
  weights: Uint8Array;
}

/** What `tf.loadLayersModel` of plain tfjs reads. `vector` is laid out by `layout`, without gaps. */
export function exportModel(
  topology: Record<string, unknown>,
  layout: ParameterLayout,
  vector: Float32Array,
): ExportedModel {
  const weights = layout.variables.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const model = {
    format: 'layers-model',
    generatedBy: 'Downpour',
    convertedBy: null,
    modelTopology: topology,
    weightsManifest: [{ paths: ['weights.bin'], weights }],
  };
  return {
    modelJson: JSON.stringify(model),
    weights: new Uint8Array(vector.buffer, vector.byteOffset, layout.length * 4),
  };
}
