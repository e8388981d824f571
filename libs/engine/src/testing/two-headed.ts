import type { DatasetSummary } from '@downpour/contracts';
import type { LayerNode, Topology } from '@downpour/models/topology';
import { layer } from './small-models.ts';

type Call = [string, number, number, Record<string, never>];

/** A trunk with a main and an auxiliary output; a dense layer is used by both, first by the auxiliary one. */
export function twoHeaded(dataset: DatasetSummary, lossWeights?: number[]): Topology {
  const node = (of: LayerNode, ...calls: string[]): LayerNode => ({
    ...of,
    name: of.config.name,
    inbound_nodes: calls.map((input): Call[] => [[input, 0, 0, {}]]),
  });
  const { featureShape, classes } = dataset;
  const shared = node(layer('Dense', { units: 4, activation: 'tanh' }, 'shared'), 'side', 'trunk');
  const main: LayerNode = {
    ...node(layer('Dense', { units: classes, activation: 'softmax' }, 'main')),
    inbound_nodes: [[['shared', 1, 0, {}]]],
  };
  return {
    class_name: 'Functional',
    config: {
      name: 'two-headed',
      layers: [
        node(layer('InputLayer', { batch_input_shape: [null, ...featureShape] }, 'in')),
        node(layer('Dense', { units: 5, activation: 'tanh' }, 'trunk'), 'in'),
        node(
          layer('Dense', { units: 5, kernel_regularizer: { class_name: 'L2', config: { l2: 0.1 } } }, 'side'),
          'trunk',
        ),
        shared,
        node(layer('Dropout', { rate: 0.5 }, 'drop'), 'shared'),
        main,
        node(layer('Dense', { units: classes, activation: 'softmax' }, 'auxiliary'), 'drop'),
      ],
      input_layers: [['in', 0, 0]],
      output_layers: [
        ['main', 0, 0],
        ['auxiliary', 0, 0],
      ],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
    ...(lossWeights ? { loss_weights: lossWeights } : {}),
  };
}
