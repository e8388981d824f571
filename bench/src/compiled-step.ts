/**
 * A training step compiled to a TensorFlow graph against the same step op by op, in one run on one thread of one process:
 * host to host, parameters in, gradients out. `node --conditions=@downpour/source bench/src/compiled-step.ts [threads] [batch]`
 */
import type { DatasetSummary, ZooModel } from '@downpour/contracts';
import { CompiledRunner, EagerRunner, loadTensorFlow } from '@downpour/engine/internal';
import { prepareModel, TrainingModel } from '@downpour/models';

const [threads = 1, batchSize = 64] = process.argv.slice(2).map(Number);
const MNIST: DatasetSummary = {
  trainExamples: 60_000,
  testExamples: 10_000,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};
const MODELS: Record<string, ZooModel> = {
  'mlp 784-256-10': { zoo: 'mlp' },
  'mlp, 7.9 M parameters': { zoo: 'mlp', hiddenUnits: [2048, 2048, 1024] },
  lenet5: { zoo: 'lenet5' },
  'mnist-cnn': { zoo: 'mnist-cnn' },
};
const STEPS = 60;
const WARM_UP = 5;

const tensorflow = await loadTensorFlow({ intraOpThreads: threads });
const count = batchSize;
const features = Uint8Array.from({ length: count * 784 }, (_, i) => (i * 7919) % 256);
const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
console.log(
  `TensorFlow ${tensorflow.version}, ${threads} thread(s), batch ${batchSize}, ms a step: median (best tenth)`,
);
for (const [name, model] of Object.entries(MODELS)) {
  const { topology, initial, loss } = await prepareModel({ model, seed: 1 }, MNIST);
  const training = await TrainingModel.open(topology, MNIST, loss);
  const compiled = new CompiledRunner(tensorflow, training);
  const runners = { eager: new EagerRunner(tensorflow, training), compiled };
  const times = { eager: [] as number[], compiled: [] as number[] };
  // In turns, so that whatever else the machine does slows both.
  for (let step = 0; step < STEPS + WARM_UP; step++) {
    for (const kind of ['eager', 'compiled'] as const) {
      const began = performance.now();
      runners[kind].step(initial, { count, features, labels }, step);
      if (step >= WARM_UP) times[kind].push(performance.now() - began);
    }
  }
  const quantile = (values: number[], share: number) =>
    values.sort((a, b) => a - b)[Math.floor(values.length * share)]!;
  const text = (kind: 'eager' | 'compiled') =>
    `${kind} ${quantile(times[kind], 0.5).toFixed(2)} (${quantile(times[kind], 0.1).toFixed(2)})`;
  const ratio = quantile(times.eager, 0.5) / quantile(times.compiled, 0.5);
  console.log(`${name.padEnd(22)} ${text('eager').padEnd(26)} ${text('compiled').padEnd(26)} ${ratio.toFixed(1)}x`);
  compiled.dispose();
  training.dispose();
}
