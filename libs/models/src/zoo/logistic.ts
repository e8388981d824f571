import type { DatasetSummary } from '@downpour/contracts';
import { sequential, type Topology } from '../topology/topology.ts';
import { head } from './head.ts';
import { flatten, input } from './layers.ts';

/** Multinomial logistic regression; linear regression for numbers. 7,850 parameters on MNIST. */
export function logistic(dataset: DatasetSummary): Topology {
  return sequential('logistic', [input(dataset.featureShape), flatten(), head(dataset)]);
}
