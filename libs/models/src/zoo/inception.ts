import type { DatasetSummary } from '@downpour/contracts';
import { LOCAL_RESPONSE_NORMALIZATION } from '../topology/local-response-normalization.ts';
import type { LayerNode } from '../topology/topology.ts';
import type { Functional } from './functional.ts';
import { head } from './head.ts';
import { conv2d, dense, dropout, flatten } from './layers.ts';

/** Filters of a module, in the columns of Table 1 of *Going deeper with convolutions*: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj. */
export type Filters = [
  one: number,
  threeReduce: number,
  three: number,
  fiveReduce: number,
  five: number,
  poolProjection: number,
];

export const convolution = (name: string, filters: number, size: number, stride = 1) =>
  conv2d(name, filters, size, 'relu', 'same', stride);

/** 3x3, as all of the paper's max-pooling. */
export function maxPool3(name: string, stride: number): LayerNode {
  return {
    class_name: 'MaxPooling2D',
    config: { name, pool_size: [3, 3], strides: [stride, stride], padding: 'same' },
  };
}

/** The paper does not say its settings. These are of its public Caffe model: five channels, alpha 1e-4 over their number, beta 0.75. */
export function localResponse(name: string): LayerNode {
  return {
    class_name: LOCAL_RESPONSE_NORMALIZATION,
    config: { name, depth_radius: 2, bias: 1, alpha: 1e-4 / 5, beta: 0.75 },
  };
}

/** An inception module with dimension reductions (figure 2b): four ways side by side, joined by channel. */
export function inception(graph: Functional, name: string, filters: Filters, input: string): string {
  const [one, threeReduce, three, fiveReduce, five, poolProjection] = filters;
  const at = (part: string) => `${name}_${part}`;
  const ways = [
    graph.add(convolution(at('1x1'), one, 1), input),
    graph.chain([convolution(at('3x3_reduce'), threeReduce, 1), convolution(at('3x3'), three, 3)], input),
    graph.chain([convolution(at('5x5_reduce'), fiveReduce, 1), convolution(at('5x5'), five, 5)], input),
    graph.chain([maxPool3(at('pool'), 1), convolution(at('pool_projection'), poolProjection, 1)], input),
  ];
  return graph.add({ class_name: 'Concatenate', config: { name: at('output'), axis: -1 } }, ...ways);
}

/** Section 5's: dropout of the auxiliary classifiers. */
const AUXILIARY_DROPOUT = 0.7;

export interface AuxiliarySize {
  filters: number;
  units: number;
  /** Height and width of the map that it reads. */
  map: [number, number];
}

/**
 * An auxiliary classifier (section 5): average pooling 5x5 with stride 3, a 1x1 convolution, a dense layer, 70 % dropout, a layer for the classes. Where the map is smaller
 * than 5x5, the pool is as large as it is.
 */
export function auxiliary(
  graph: Functional,
  name: string,
  { filters, units, map }: AuxiliarySize,
  dataset: DatasetSummary,
  input: string,
): string {
  const pool = map.map((size) => Math.min(5, size));
  const last = head(dataset);
  return graph.chain(
    [
      {
        class_name: 'AveragePooling2D',
        config: { name: `${name}_pool`, pool_size: pool, strides: [3, 3], padding: 'valid' },
      },
      convolution(`${name}_convolution`, filters, 1),
      { ...flatten(), config: { name: `${name}_flatten` } },
      dense(`${name}_dense`, units, 'relu'),
      ...dropout(`${name}_dropout`, AUXILIARY_DROPOUT),
      { ...last, config: { ...last.config, name: `${name}_${last.config.name}` } },
    ],
    input,
  );
}

/** Average pooling over the whole map (7x7 at 224x224), dropout, a layer for the classes. */
export function classifier(graph: Functional, rate: number, dataset: DatasetSummary, input: string): string {
  return graph.chain(
    [
      { class_name: 'GlobalAveragePooling2D', config: { name: 'average_pool' } },
      ...dropout('dropout', rate),
      head(dataset),
    ],
    input,
  );
}
