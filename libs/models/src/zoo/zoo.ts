import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import { invalidModel } from '../topology/invalid-model.ts';
import type { Topology } from '../topology/topology.ts';
import { googlenetSmall } from './googlenet-small.ts';
import { googlenet } from './googlenet.ts';
import { lenet5 } from './lenet5.ts';
import { logistic } from './logistic.ts';
import { mlp } from './mlp.ts';
import { mnistCnn } from './mnist-cnn.ts';

type Option = Exclude<keyof ZooModel, 'zoo'>;
interface Entry {
  build: (dataset: DatasetSummary, options: ZooModel) => Topology;
  options: readonly Option[];
}

/** Models that people ask for by name. A model is data: its topology for a data set. */
const ZOO: Record<ZooModel['zoo'], Entry> = {
  logistic: { build: logistic, options: [] },
  mlp: { build: mlp, options: ['hiddenUnits', 'activation', 'dropout'] },
  lenet5: { build: lenet5, options: [] },
  googlenet: { build: googlenet, options: ['dropout', 'auxiliaryWeight'] },
  'googlenet-small': { build: googlenetSmall, options: ['dropout', 'auxiliaryWeight'] },
  'mnist-cnn': { build: mnistCnn, options: ['dropout'] },
};

export function zooTopology(model: ZooModel, dataset: DatasetSummary): Topology {
  const { build, options } = ZOO[model.zoo];
  for (const option of Object.keys(model) as (keyof ZooModel)[]) {
    if (option !== 'zoo' && model[option] !== undefined && !options.includes(option))
      throw invalidModel(
        `model.${option}`,
        `${model.zoo} has no option ${option}. ${options.length ? `It has ${options.join(', ')}.` : 'It has none.'}`,
      );
  }
  return build(dataset, model);
}
