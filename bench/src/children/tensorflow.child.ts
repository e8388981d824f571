/**
 * One process that computes alone, with TensorFlow in its main thread: the baselines. Told what to do by its parent
 * (harness/tensorflow-child.ts), which says with the environment how many threads TensorFlow has.
 */
import { cutExamples, loadBuiltIn, permutation } from '@downpour/datasets';
import { CompiledRunner, EagerRunner, loadTensorFlow } from '@downpour/engine/internal';
import { modelFromTopology, prepareModel, TrainingModel, type PreparedModel } from '@downpour/models';
import { answerParent } from '../harness/child.ts';
import { median } from '../harness/statistics.ts';
import type { Computed, ComputeRequest } from '../harness/tensorflow-child.ts';
import { BATCH_SIZE, UPDATE_RULE, WORKLOADS, type WorkloadName } from '../workloads.ts';

/** Batches that are gone round: enough that no cache holds them all. */
const BATCHES = 200;
const WARM_UP_STEPS = 5;

const dataset = await loadBuiltIn('mnist', undefined);
const tensorflow = await loadTensorFlow();
const { tf } = tensorflow;
const order = permutation(1, 0, dataset.train.count);
const batches = Array.from({ length: BATCHES }, (_, i) =>
  cutExamples(dataset, 'train', order, i * BATCH_SIZE, (i + 1) * BATCH_SIZE),
);

interface Bare {
  prepared: PreparedModel;
  compiled: CompiledRunner;
  eager: EagerRunner;
  gradient: Float32Array;
}
const opened = new Map<WorkloadName, Promise<Bare>>();

function bare(workload: WorkloadName): Promise<Bare> {
  let model = opened.get(workload);
  if (!model) opened.set(workload, (model = open(workload)));
  return model;
}

async function open(workload: WorkloadName): Promise<Bare> {
  const prepared = await prepareModel({ model: WORKLOADS[workload], seed: 1 }, dataset.summary);
  const training = await TrainingModel.open(prepared.topology, dataset.summary, prepared.loss);
  const compiled = new CompiledRunner(tensorflow, training);
  const eager = new EagerRunner(tensorflow, training);
  return { prepared, compiled, eager, gradient: new Float32Array(prepared.layout.length) };
}

/** The step of a replica and nothing else: parameters and a batch from the host in, gradients on the host out. */
async function compiledSteps({ workload, windowMs }: ComputeRequest): Promise<Computed> {
  const { prepared, compiled, gradient } = await bare(workload);
  let step = 0;
  const one = () => compiled.step(prepared.initial, batches[step % BATCHES]!, step++, gradient);
  for (let i = 0; i < WARM_UP_STEPS; i++) one();
  return timed(() => {
    const until = performance.now() + windowMs;
    const first = step;
    do one();
    while (performance.now() < until);
    return (step - first) * BATCH_SIZE;
  });
}

/** tfjs-node as it is used: `model.fit`, data as tensors. */
async function fit({ workload, windowMs }: ComputeRequest): Promise<Computed> {
  const { topology } = (await bare(workload)).prepared;
  const model = await modelFromTopology(topology);
  model.compile({
    optimizer: tf.train.sgd(UPDATE_RULE.learningRate),
    loss: 'categoricalCrossentropy',
    metrics: ['accuracy'],
  });
  const { count, features, labels } = dataset.train;
  const examples = Math.min(count, 20_000);
  const shape = [examples, ...dataset.summary.featureShape];
  const x = tf.tidy(() => tf.div(tf.tensor(features.subarray(0, examples * 784), shape, 'float32'), 255));
  const y = tf.tidy(() => tf.oneHot(tf.tensor1d(labels.subarray(0, examples), 'int32'), 10));
  let began: ReturnType<typeof start> | null = null;
  let result: Computed | null = null;
  let steps = 0;
  await model.fit(x, y, {
    batchSize: BATCH_SIZE,
    epochs: 1000,
    verbose: 0,
    yieldEvery: 'never',
    callbacks: {
      // Every batch is a full one but an epoch's last: leaving that out of account would flatter nobody by 0.3 %.
      onBatchEnd: () => {
        steps += 1;
        if (steps === WARM_UP_STEPS) began = start();
        if (!began || performance.now() - began.atMs < windowMs || steps === WARM_UP_STEPS) return;
        result = end(began, (steps - WARM_UP_STEPS) * BATCH_SIZE);
        (model as unknown as { stopTraining: boolean }).stopTraining = true;
      },
    },
  });
  tf.dispose([x, y]);
  model.dispose();
  return result!;
}

/** Both ways to run a step by turns, so that whatever else the machine does slows both. Milliseconds a step. */
async function turns({ workload, windowMs }: ComputeRequest): Promise<{ eagerMs: number; compiledMs: number }> {
  const { prepared, compiled, eager, gradient } = await bare(workload);
  const times = { eager: [] as number[], compiled: [] as number[] };
  const until = performance.now() + windowMs;
  for (let step = 0; step < 2 * WARM_UP_STEPS || performance.now() < until; step++) {
    const batch = batches[step % BATCHES]!;
    for (const [kind, runner] of [
      ['eager', eager],
      ['compiled', compiled],
    ] as const) {
      const began = performance.now();
      runner.step(prepared.initial, batch, step, gradient);
      if (step >= WARM_UP_STEPS) times[kind].push(performance.now() - began);
    }
  }
  return { eagerMs: median(times.eager), compiledMs: median(times.compiled) };
}

/** Steps as a worker runs them: full batches, now and then a chunk's short last one, now and then an evaluation. */
async function soak({ workload, steps }: ComputeRequest): Promise<{ tensors: number; rssBytes: number }> {
  const { prepared, compiled, gradient } = await bare(workload);
  for (let step = 0; step < steps; step++) {
    const batch = batches[step % BATCHES]!;
    const short = { count: 17, features: batch.features.slice(0, 17 * 784), labels: batch.labels.slice(0, 17) };
    compiled.step(prepared.initial, step % 16 === 15 ? short : batch, step, gradient);
    if (step % 1000 === 999) compiled.evaluate(prepared.initial, batch);
    // As between two messages: what waits for the event loop must get its turn.
    if (step % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { tensors: tf.memory().numTensors, rssBytes: process.memoryUsage.rss() };
}

function start() {
  return { atMs: performance.now(), cpu: process.cpuUsage() };
}

function end(began: ReturnType<typeof start>, examples: number): Computed {
  const { user, system } = process.cpuUsage(began.cpu);
  return { examples, seconds: (performance.now() - began.atMs) / 1000, cpuSeconds: (user + system) / 1e6 };
}

function timed(work: () => number): Computed {
  const began = start();
  return end(began, work());
}

const WORK = { compiled: compiledSteps, fit, turns, soak } as const;

answerParent<ComputeRequest>((request) => WORK[request.work](request));
