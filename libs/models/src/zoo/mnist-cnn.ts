import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import { sequential, type Topology } from '../topology/topology.ts';
import { head } from './head.ts';
import { imageShape } from './image-shape.ts';
import { conv2d, dense, dropout, flatten, input, maxPool } from './layers.ts';

/** Two convolutions and a dense layer: 225,034 parameters on MNIST, 99 % of its test images in a few epochs. */
export function mnistCnn(dataset: DatasetSummary, options: ZooModel): Topology {
  return sequential('mnist-cnn', [
    input(imageShape(dataset, 'mnist-cnn', 10)),
    conv2d('conv_1', 32, 3, 'relu'),
    maxPool('pool_1'),
    conv2d('conv_2', 64, 3, 'relu'),
    maxPool('pool_2'),
    flatten(),
    dense('hidden', 128, 'relu'),
    ...dropout('dropout', options.dropout ?? 0),
    head(dataset),
  ]);
}
