import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import type { Topology } from '../topology/topology.ts';
import { Functional } from './functional.ts';
import { imageShape } from './image-shape.ts';
import { auxiliary, classifier, convolution, inception, localResponse, maxPool3, type Filters } from './inception.ts';
import { input } from './layers.ts';

/** Table 1, by row. */
const MODULES: Record<'3a' | '3b' | '4a' | '4b' | '4c' | '4d' | '4e' | '5a' | '5b', Filters> = {
  '3a': [64, 96, 128, 16, 32, 32],
  '3b': [128, 128, 192, 32, 96, 64],
  '4a': [192, 96, 208, 16, 48, 64],
  '4b': [160, 112, 224, 24, 64, 64],
  '4c': [128, 128, 256, 24, 64, 64],
  '4d': [112, 144, 288, 32, 64, 64],
  '4e': [256, 160, 320, 32, 128, 128],
  '5a': [256, 160, 320, 32, 128, 128],
  '5b': [384, 192, 384, 48, 128, 128],
};
/** The smallest image: what is left of it at modules 5a and 5b is one pixel. */
const SMALLEST = 32;
/** Halvings before the modules that the auxiliary classifiers read. */
const MAP_SCALE = 16;

/**
 * GoogLeNet (Szegedy et al. 2014, Table 1; auxiliary classifiers of section 5 on 4a and 4d). For 224x224x3 and 1000 classes 13,378,280 parameters, 6,998,552 without the
 * auxiliary classifiers. Of images of another size nothing is adapted but the last pooling, which is over the whole map whatever its size, and the auxiliary
 * classifiers' (inception.ts).
 */
export function googlenet(dataset: DatasetSummary, options: ZooModel): Topology {
  const { dropout = 0.4, auxiliaryWeight = 0.3 } = options;
  const shape = imageShape(dataset, 'googlenet', SMALLEST);
  const map: [number, number] = [Math.ceil(shape[0] / MAP_SCALE), Math.ceil(shape[1] / MAP_SCALE)];
  const graph = new Functional();
  const modules = (names: (keyof typeof MODULES)[], from: string) =>
    names.reduce((last, name) => inception(graph, `inception_${name}`, MODULES[name], last), from);
  const auxiliaryOn = (number: number, from: string): [string, number][] => {
    const size = { filters: 128, units: 1024, map };
    return auxiliaryWeight === 0
      ? []
      : [[auxiliary(graph, `auxiliary_${number}`, size, dataset, from), auxiliaryWeight]];
  };

  const stem = graph.chain(
    [
      convolution('conv_1', 64, 7, 2),
      maxPool3('pool_1', 2),
      localResponse('norm_1'),
      convolution('conv_2_reduce', 64, 1),
      convolution('conv_2', 192, 3),
      localResponse('norm_2'),
      maxPool3('pool_2', 2),
    ],
    graph.add(input(shape)),
  );
  const third = graph.add(maxPool3('pool_3', 2), modules(['3a', '3b'], stem));
  const a = modules(['4a'], third);
  const first = auxiliaryOn(1, a);
  const d = modules(['4b', '4c', '4d'], a);
  const second = auxiliaryOn(2, d);
  const fourth = graph.add(maxPool3('pool_4', 2), modules(['4e'], d));
  const main = classifier(graph, dropout, dataset, modules(['5a', '5b'], fourth));
  return graph.topology('googlenet', [[main, 1], ...first, ...second]);
}
