import type { JobPlan } from '@downpour/contracts';

/** tfjs's layers-model format: what `tf.loadLayersModel` reads. */
export interface ModelJson {
  format: 'layers-model';
  generatedBy: string;
  convertedBy: null;
  modelTopology: Record<string, unknown>;
  weightsManifest: { paths: string[]; weights: { name: string; shape: number[]; dtype: 'float32' }[] }[];
}

/** model.json and weights.bin (float32, little-endian, in the layout's order) of a job's parameters. */
export function exportModel(plan: JobPlan, vector: Float32Array): { model: ModelJson; weights: Uint8Array } {
  const weights = plan.layout.variables.map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const }));
  return {
    model: {
      format: 'layers-model',
      generatedBy: 'Downpour',
      convertedBy: null,
      modelTopology: plan.topology,
      weightsManifest: [{ paths: ['weights.bin'], weights }],
    },
    // Variables stand in the vector without gaps, in this order.
    weights: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
  };
}
