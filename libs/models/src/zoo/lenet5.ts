import type { DatasetSummary } from '@downpour/contracts';
import { sequential, type Topology } from '../topology/topology.ts';
import { head } from './head.ts';
import { imageShape } from './image-shape.ts';
import { averagePool, conv2d, dense, flatten, input } from './layers.ts';

/** LeNet-5 (LeCun et al. 1998) with full connections between maps and softmax in place of RBF units; 61,706 parameters on MNIST. */
export function lenet5(dataset: DatasetSummary): Topology {
  return sequential('lenet5', [
    // 28x28 images are padded to the paper's 32x32 by the first convolution.
    input(imageShape(dataset, 'lenet5', 14)),
    conv2d('c1', 6, 5, 'tanh', 'same'),
    averagePool('s2'),
    conv2d('c3', 16, 5, 'tanh'),
    averagePool('s4'),
    flatten(),
    dense('c5', 120, 'tanh'),
    dense('f6', 84, 'tanh'),
    head(dataset),
  ]);
}
