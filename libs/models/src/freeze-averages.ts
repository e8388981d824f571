import type { LayersModel } from '@tensorflow/tfjs';

/** Batch normalisation that is not to be trained runs by its moving averages and leaves them alone, as in Keras; tfjs goes by the batch. */
export function freezeAverages(layer: LayersModel['layers'][number]): void {
  if (layer.trainable || layer.getClassName() !== 'BatchNormalization') return;
  const call = layer.call.bind(layer);
  layer.call = (inputs, kwargs) => call(inputs, { ...kwargs, training: false });
}
