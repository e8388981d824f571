import type { AugmentSpec, DatasetSummary } from '@downpour/contracts';
import tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import type { UniformSource } from './seeded-dropout.ts';

/** Where its numbers are drawn, among the layers of the model. */
const PLACE = -1;

/**
 * Images of a training step, each padded with zeros and cropped, and flipped from left to right, at random: the same for the same step's seed. Ops alone, so that it is part of the compiled
 * step. `features` float32 [n, ...]; `featureShape` [height, width, ...].
 */
export function augmented(
  { crop = 0, flip }: AugmentSpec,
  features: Tensor,
  { featureShape }: Pick<DatasetSummary, 'featureShape'>,
  uniform: UniformSource,
): Tensor {
  return tf.tidy(() => {
    const [n] = features.shape as [number];
    const [height, width, ...rest] = featureShape as [number, number, ...number[]];
    const numbers = uniform([n, 3], PLACE);
    /** int32 [n, 1], each below `count`. */
    const drawn = (column: number, count: number) =>
      tf.cast(tf.minimum(tf.floor(tf.mul(tf.slice(numbers, [0, column], [n, 1]), count)), count - 1), 'int32');
    const images = tf.pad(tf.reshape(features, [n, height, width, ...rest]), [
      [0, 0],
      [crop, crop],
      [crop, crop],
      ...rest.map((): [number, number] => [0, 0]),
    ]);
    const rows = tf.add(drawn(0, 2 * crop + 1), tf.range(0, height, 1, 'int32'));
    const across = tf.range(0, width, 1, 'int32');
    const turned = flip ? tf.mul(drawn(2, 2), tf.sub(width - 1, tf.mul(across, 2))) : tf.scalar(0, 'int32');
    const columns = tf.add(tf.add(drawn(1, 2 * crop + 1), across), turned);
    const cropped = tf.gather(images, rows as never, 1, 1);
    return tf.reshape(tf.gather(cropped, tf.cast(columns, 'int32') as never, 2, 1), features.shape);
  });
}
