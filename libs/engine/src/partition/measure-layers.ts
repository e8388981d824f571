import { partitionLayout, type DatasetSummary, type Segment } from '@downpour/contracts';
import { SegmentModel, type DescribedModel } from '@downpour/models';
import { layerNames, variablePartitions } from '@downpour/models/topology';
import { sharedVector } from '../shared-vectors.ts';
import type { Batch } from '../step/batch.ts';
import { untrainable } from '../step/try-step.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import { EagerSegment } from './eager-segment.ts';

/** Costs are of so many examples. They are the difference of two runs: what a run costs whatever its rows is mostly JavaScript, which compiled steps do without. */
const EXAMPLES = 64;
const FEW = 2;
const MORE = 18;
/** More of them where that many are lost beside it. */
const MOST = 2050;
const LOST_MS = 8;
/** Of a layer that costs less than can be told. */
const LEAST_MS = 0.01;
/** Value of all parameters: not zero, for pages that nobody has written to are one page, which no cost should be measured by. */
const PARAMETER = 0.01;
/** Each is run so often: the least of them is what others on the machine disturbed least. */
const REPEATS = 3;
/** Once measuring has taken so much CPU time, each further layer is timed once only, and of few rows. */
const PATIENCE_MS = 3000;

/**
 * What each layer costs, ms of CPU time (a machine is often shared): forward and backward of 64 examples, the layer by itself, op by op. The loss is part of the layer that puts out what it is of. One
 * layer's parameters are in memory at a time.
 * @throws DownpourError invalid-model for what a layer's settings forbid, as `tryStep` does for a whole model
 */
export async function measureLayers(
  tensorflow: TensorFlow,
  { topology, layout, loss }: DescribedModel,
  dataset: DatasetSummary,
): Promise<Record<string, number>> {
  const layers = layerNames(topology);
  // Every layer a partition of its own.
  const assignment = Object.fromEntries(layers.map((layer, i) => [layer, i]));
  const plan = { topology, assignment, dataset, loss, metrics: { metrics: [], topK: 5 }, objective: {} };
  const variables = variablePartitions(layout, assignment);
  const layoutOf = ({ partition }: Segment) => partitionLayout(layout, { variables }, partition);
  const costs: Record<string, number> = {};
  const began = cpuNow();
  for await (const model of SegmentModel.each(plan, layoutOf))
    try {
      costs[model.segment.layers[0]!] = measured(tensorflow, model, dataset, () => cpuNow() - began < PATIENCE_MS);
    } catch (error) {
      throw untrainable(error);
    } finally {
      model.dispose();
    }
  return costs;
}

function measured(
  tensorflow: TensorFlow,
  model: SegmentModel,
  dataset: DatasetSummary,
  isPatient: () => boolean,
): number {
  const { layout } = model;
  const segment = new EagerSegment(tensorflow, model, layout);
  const [parameters, gradient] = [sharedVector(layout.length).fill(PARAMETER), sharedVector(layout.length)];
  const cpuMs = (rows: number) => {
    const zeros = (shapes: SegmentModel['inputShapes']) =>
      shapes.map((shape) => new Float32Array(shape.reduce((size, n) => size * n, rows)));
    const [inputs, pulls] = [zeros(model.inputShapes), zeros(model.outputShapes)];
    const batch = emptyBatch(dataset, rows);
    const start = cpuNow();
    segment.step({ parameters, batch, inputs, weight: 1, seed: 0 }, pulls, gradient);
    return cpuNow() - start;
  };
  // The first run of an op looks for its kernel.
  cpuMs(MORE);
  const patient = isPatient();
  const repeats = patient ? REPEATS : 1;
  const best = (rows: number) => Math.min(...Array.from({ length: repeats }, () => cpuMs(rows)));
  let more = MORE;
  while (patient && more < MOST && best(more) < LOST_MS) more = Math.min(4 * more, MOST);
  let [ofMore, ofFew] = [best(more), best(FEW)];
  // Few rows that took longer than many were disturbed.
  for (let i = 1; i < REPEATS && ofMore <= ofFew; i++)
    [ofMore, ofFew] = [Math.min(ofMore, best(more)), Math.min(ofFew, best(FEW))];
  const slope = (ofMore - ofFew) / (more - FEW);
  return Math.max(LEAST_MS, slope * EXAMPLES);
}

/** CPU time of this process, ms. */
function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

function emptyBatch({ featureShape, featureType, labelKind, labelWidth }: DatasetSummary, rows: number): Batch {
  const size = featureShape.reduce((product, n) => product * n, rows);
  return {
    count: rows,
    features: featureType === 'uint8' ? new Uint8Array(size) : new Float32Array(size),
    labels: labelKind === 'class' ? new Int32Array(rows) : new Float32Array(rows * labelWidth),
  };
}
