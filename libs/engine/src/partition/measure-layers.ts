import type { DatasetSummary } from '@downpour/contracts';
import { SegmentModel, type PreparedModel } from '@downpour/models';
import { layerNames } from '@downpour/models/topology';
import { sharedVector } from '../shared-vectors.ts';
import type { Batch } from '../step/batch.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { PartitionRunner } from './partition-runner.ts';

/** Costs are of so many examples, measured on fewer. */
const EXAMPLES = 64;
const ROWS = 8;
/** Once measuring has taken so long, each further layer is timed once only. */
const PATIENCE_MS = 400;

/**
 * What each layer costs in this thread, ms: forward and backward of 64 examples, the layer by itself, op by op. The loss is part of the layer that puts out what it is of. One
 * layer's parameters are in memory at a time, beside the initial ones.
 */
export async function measureLayers(
  tensorflow: TensorFlow,
  { topology, layout, loss, initial }: PreparedModel,
  dataset: DatasetSummary,
): Promise<Record<string, number>> {
  const layers = layerNames(topology);
  // Every layer a partition of its own.
  const assignment = Object.fromEntries(layers.map((layer, i) => [layer, i]));
  const plan = { topology, assignment, layout, dataset, loss, metrics: { metrics: [], topK: 5 }, objective: {} };
  const batch = emptyBatch(dataset);
  const gradient = sharedVector(layout.length);
  const costs: Record<string, number> = {};
  const began = performance.now();
  for await (const model of SegmentModel.each(plan, () => true)) {
    const runner = new PartitionRunner(tensorflow, [model], layout, false);
    const zeros = (shapes: SegmentModel['inputShapes']) =>
      shapes.map((shape) => new Float32Array(shape.reduce((size, n) => size * n, ROWS)));
    const once = () => {
      const start = performance.now();
      runner.stepOnce(
        model.segment.index,
        { parameters: initial, batch, inputs: zeros(model.inputShapes), weight: 1, seed: 0 },
        zeros(model.outputShapes),
        gradient,
      );
      return performance.now() - start;
    };
    // The first run of an op looks for its kernel.
    once();
    let best = once();
    if (performance.now() - began < PATIENCE_MS) best = Math.min(best, once());
    costs[model.segment.layers[0]!] = (best * EXAMPLES) / ROWS;
    runner.dispose();
  }
  return costs;
}

function emptyBatch({ featureShape, featureType, labelKind, labelWidth }: DatasetSummary): Batch {
  const size = featureShape.reduce((product, n) => product * n, ROWS);
  return {
    count: ROWS,
    features: featureType === 'uint8' ? new Uint8Array(size) : new Float32Array(size),
    labels: labelKind === 'class' ? new Int32Array(ROWS) : new Float32Array(ROWS * labelWidth),
  };
}
