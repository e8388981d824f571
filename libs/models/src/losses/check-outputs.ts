import type { DatasetSummary } from '@downpour/contracts';
import { invalidModel } from '../topology/invalid-model.ts';
import type { LossKind } from './loss-kind.ts';

/**
 * Does the model put out what the data set's labels and the loss ask for? Every output does, for all learn the same labels. `outputs`: shape of each, batch included,
 * and the name of its layer.
 */
export function checkOutputs(
  outputs: readonly { shape: readonly (number | null)[]; name: string }[],
  dataset: DatasetSummary,
  loss: LossKind,
): void {
  for (const { shape, name } of outputs) checkOutput(shape, outputs.length > 1 ? name : null, dataset, loss);
}

/** `name`: of one of several outputs. */
function checkOutput(
  shape: readonly (number | null)[],
  name: string | null,
  dataset: DatasetSummary,
  loss: LossKind,
): void {
  const [, units] = shape;
  const last = name === null ? 'The last layer' : `The output ${name}`;
  const field = 'model.topology';
  if (shape.length !== 2 || typeof units !== 'number')
    throw invalidModel(
      field,
      `${name === null ? 'The model' : last} puts out shape [${shape.map((n) => n ?? 'batch').join(', ')}]; a row of numbers for each example is needed. End it with Flatten or GlobalAveragePooling2D and Dense.`,
    );
  if (dataset.labelKind === 'number') {
    if (units !== dataset.labelWidth)
      throw invalidModel(
        field,
        `${last} has ${units} units, the data set's labels have ${dataset.labelWidth} numbers. Give it ${dataset.labelWidth}.`,
      );
    return;
  }
  if (units === dataset.classes) {
    if (units === 1 && loss === 'softmaxCrossEntropy')
      throw invalidModel(
        'dataset',
        'The data set has a single class: there is nothing to learn. Use one with at least two.',
      );
    return;
  }
  if (units === 1 && dataset.classes === 2 && loss !== 'softmaxCrossEntropy') return;
  const hint =
    units === 1 && dataset.classes === 2
      ? ' Or set loss to sigmoidCrossEntropy to train one output for two classes.'
      : '';
  throw invalidModel(
    field,
    `${last} has ${units} units, the data set has ${dataset.classes} classes. Give it ${dataset.classes} units.${hint}`,
  );
}
