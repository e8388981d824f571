import type { DatasetSummary } from '@downpour/contracts';
import type { LayerNode } from '../topology/topology.ts';
import { dense } from './layers.ts';

/** The last layer a data set asks for: a probability for each class, or the numbers themselves. */
export function head(dataset: DatasetSummary): LayerNode {
  return dataset.labelKind === 'class'
    ? dense('probabilities', dataset.classes, 'softmax')
    : dense('numbers', dataset.labelWidth, 'linear');
}
