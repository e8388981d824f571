import { TrainingModel, prepareModel } from '@downpour/models';
import { describe, expect, it } from 'vitest';
import { loadTensorFlow } from '../tensorflow/load.ts';
import { batchOf, ROWS } from '../testing/small-models.ts';
import { EagerRunner } from './eager-runner.ts';
import { ModelRunner } from './model-runner.ts';

describe('A model that can not be compiled', () => {
  it('runs op by op, and says why', async () => {
    const tensorflow = await loadTensorFlow();
    const { topology, initial, loss } = await prepareModel({ model: { zoo: 'logistic' }, seed: 1 }, ROWS);
    const model = await TrainingModel.open(topology, ROWS, loss);
    /** As a layer that looks at its input on the host would. */
    const peeking = {
      layout: model.layout,
      dataset: model.dataset,
      inputShape: model.inputShape,
      step: (...[parameters, features, labels, uniform]: Parameters<TrainingModel['step']>) => {
        tensorflow.tf.abs(features).dataSync();
        return model.step(parameters, features, labels, uniform);
      },
      evaluate: model.evaluate.bind(model),
      dispose: () => model.dispose(),
    } as unknown as TrainingModel;
    const runner = new ModelRunner(tensorflow, peeking, true);
    const batch = batchOf(ROWS, 8);
    expect(runner.evaluate(initial, batch).lossSum).toBeGreaterThan(0);
    expect(runner.fellBack).toBeNull();
    const result = runner.step(initial, batch, 1);
    expect(runner.fellBack).toContain('reads values back to the host');
    expect(result).toEqual(new EagerRunner(tensorflow, model).step(initial, batch, 1));
    expect(tensorflow.backend.binding.getNumOfSavedModels()).toBe(0);
    runner.dispose();
  });

  it('of which the input is wrong fails instead', async () => {
    const tensorflow = await loadTensorFlow();
    const { topology, initial, loss } = await prepareModel({ model: { zoo: 'logistic' }, seed: 1 }, ROWS);
    const runner = new ModelRunner(tensorflow, await TrainingModel.open(topology, ROWS, loss), true);
    const short = { ...batchOf(ROWS, 8), features: new Float32Array(31) };
    expect(() => runner.step(initial, short, 1)).toThrow();
    expect(runner.fellBack).toBeNull();
    runner.dispose();
  });
});
