/**
 * What staleness costs each update rule: one process trains on gradients that were computed on the parameters of so many pushes ago, as
 * asynchronous workers do, with nothing else of the system in the way.
 * `node bench/src/staleness.ts [model] [batch] [epochs] [delays] [rule JSON ...]`
 */
import { updateRuleSchema, type UpdateRuleSpec } from '@downpour/contracts';
import { cutExamples, loadBuiltIn, permutation } from '@downpour/datasets';
import { CompiledRunner, loadTensorFlow } from '@downpour/engine/internal';
import { Kernels, VectorMemory } from '@downpour/kernels';
import { prepareModel, TrainingModel } from '@downpour/models';
import { updateRuleOf } from '@downpour/parameters';

const [zoo = 'mlp', batch = '64', epochs = '2', delays = '0,1,4,8', ...rules] = process.argv.slice(2);
const batchSize = Number(batch);
const dataset = await loadBuiltIn((process.env.DATASET ?? 'mnist') as 'mnist', undefined);
const tensorflow = await loadTensorFlow({ intraOpThreads: 2 });
const { topology, initial, loss } = await prepareModel(
  { model: { zoo: zoo as 'mlp', ...(process.env.DROPOUT ? { dropout: Number(process.env.DROPOUT) } : {}) }, seed: 1 },
  dataset.summary,
);
const model = await TrainingModel.open(topology, dataset.summary, loss);
const runner = new CompiledRunner(tensorflow, model);

console.log(`${zoo}, batch ${batchSize}: test accuracy after each of ${epochs} epochs`);
for (const json of rules) {
  const rule = updateRuleSchema.parse(JSON.parse(json));
  for (const delay of delays.split(',').map(Number)) {
    const accuracies = train(rule, delay);
    console.log(`${json}  staleness ${delay}:  ${accuracies.map((value) => (100 * value).toFixed(2)).join('  ')} %`);
  }
}

function train(rule: UpdateRuleSpec, delay: number): number[] {
  const names = updateRuleOf(rule).slots(rule);
  // Parameters, the rule's slots, and the gradient that is being applied.
  const bytes = VectorMemory.alignedBytes(4 * initial.length);
  const memory = VectorMemory.create((2 + names.length) * bytes);
  const { rules: kernels } = Kernels.of(memory);
  const parameters = memory.float32(initial.length);
  parameters.set(initial);
  const slots = names.map((slot) => memory.float32(initial.length).fill(slot.initial));
  const gradient = memory.float32(initial.length);
  const waiting: Float32Array[] = [];
  let version = 0;
  const accuracies: number[] = [];
  for (let epoch = 0; epoch < Number(epochs); epoch++) {
    const order = permutation(1, epoch, dataset.train.count);
    for (let begin = 0; begin < dataset.train.count; begin += batchSize) {
      const end = Math.min(begin + batchSize, dataset.train.count);
      const step = runner.step(parameters, cutExamples(dataset, 'train', order, begin, end), begin + epoch);
      waiting.push(Float32Array.from(step.gradient));
      if (waiting.length > delay) {
        version += 1;
        gradient.set(waiting.shift()!);
        updateRuleOf(rule).apply(kernels, rule, parameters, { encoding: 'float32', codes: gradient }, slots, version);
      }
    }
    accuracies.push(accuracy(parameters));
  }
  return accuracies;
}

function accuracy(parameters: Float32Array): number {
  let correct = 0;
  for (let begin = 0; begin < dataset.test.count; begin += 1000)
    correct += runner.evaluate(parameters, cutExamples(dataset, 'test', null, begin, begin + 1000)).correct ?? 0;
  return correct / dataset.test.count;
}
