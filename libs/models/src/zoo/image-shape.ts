import type { DatasetSummary } from '@downpour/contracts';
import { invalidModel } from '../topology/invalid-model.ts';

/** [height, width, channels] of a data set's examples; grey images may come without their channel. */
export function imageShape(dataset: DatasetSummary, model: string, smallest: number): [number, number, number] {
  const { featureShape: shape } = dataset;
  const [height, width, channels] = shape.length === 2 ? [...shape, 1] : shape;
  if (shape.length < 2 || shape.length > 3 || height === undefined || width === undefined || channels === undefined)
    throw invalidModel(
      'model.zoo',
      `${model} reads images, but an example of the data set has shape [${shape.join(', ')}]. Use mlp.`,
    );
  if (height < smallest || width < smallest)
    throw invalidModel(
      'model.zoo',
      `${model} needs images of at least ${smallest}x${smallest}, these are ${height}x${width}. Use mlp.`,
    );
  return [height, width, channels];
}
