import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import { sequential, type Topology } from '../topology/topology.ts';
import { head } from './head.ts';
import { dense, dropout, flatten, input } from './layers.ts';

/** Fully connected layers; 203,530 parameters on MNIST with the default 256 hidden units. */
export function mlp(dataset: DatasetSummary, options: ZooModel): Topology {
  const { hiddenUnits = [256], activation = 'relu', dropout: rate = 0 } = options;
  return sequential('mlp', [
    input(dataset.featureShape),
    flatten(),
    ...hiddenUnits.map((units, i) => dense(`hidden_${i + 1}`, units, activation)),
    ...dropout('dropout', rate),
    head(dataset),
  ]);
}
