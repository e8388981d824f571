import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import type { Topology } from '../topology/topology.ts';
import { Functional } from './functional.ts';
import { imageShape } from './image-shape.ts';
import { auxiliary, classifier, convolution, inception, localResponse, maxPool3, type Filters } from './inception.ts';
import { input } from './layers.ts';

/** About half as wide as GoogLeNet's modules of these names. */
const MODULES: Record<'3a' | '3b' | '4a' | '4b' | '5a', Filters> = {
  '3a': [32, 48, 64, 8, 16, 16],
  '3b': [64, 64, 96, 16, 48, 32],
  '4a': [96, 48, 104, 8, 24, 32],
  '4b': [80, 56, 112, 12, 32, 32],
  '5a': [128, 80, 160, 16, 64, 64],
};
const SMALLEST = 16;
/** Halvings before the module that the auxiliary classifier reads. */
const MAP_SCALE = 8;

/**
 * GoogLeNet's parts for images of 32x32 or 64x64 (28x28 will do): a first convolution of 3x3 without a stride, five modules of half the width, one auxiliary classifier.
 */
export function googlenetSmall(dataset: DatasetSummary, options: ZooModel): Topology {
  const { dropout = 0.4, auxiliaryWeight = 0.3 } = options;
  const shape = imageShape(dataset, 'googlenet-small', SMALLEST);
  const graph = new Functional();
  const module = (name: keyof typeof MODULES, from: string) =>
    inception(graph, `inception_${name}`, MODULES[name], from);

  const stem = graph.chain(
    [
      convolution('conv_1', 32, 3),
      maxPool3('pool_1', 2),
      localResponse('norm_1'),
      convolution('conv_2_reduce', 32, 1),
      convolution('conv_2', 64, 3),
      localResponse('norm_2'),
      maxPool3('pool_2', 2),
    ],
    graph.add(input(shape)),
  );
  const third = graph.add(maxPool3('pool_3', 2), module('3b', module('3a', stem)));
  const a = module('4a', third);
  const outputs: [string, number][] = [];
  if (auxiliaryWeight > 0) {
    const map: [number, number] = [Math.ceil(shape[0] / MAP_SCALE), Math.ceil(shape[1] / MAP_SCALE)];
    outputs.push([auxiliary(graph, 'auxiliary', { filters: 64, units: 256, map }, dataset, a), auxiliaryWeight]);
  }
  const main = classifier(graph, dropout, dataset, module('5a', module('4b', a)));
  return graph.topology('googlenet-small', [[main, 1], ...outputs]);
}
