import type { JobEvent } from '@downpour/contracts';
import { connect } from '@downpour/client';
import type { Downpour, Job } from '@downpour/client';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

/** Points of the plane: which of three sectors they are in. */
const EXAMPLES = 3000;
const points = Float32Array.from({ length: 2 * EXAMPLES }, (_, i) => Math.sin(i * 12.9898) * 1.5);
const sectors = Int32Array.from({ length: EXAMPLES }, (_, row) => {
  const angle = Math.atan2(points[2 * row + 1]!, points[2 * row]!) + Math.PI;
  return Math.min(2, Math.floor((angle / (2 * Math.PI)) * 3));
});

describe('the client', { timeout: 240_000 }, () => {
  let cluster: HttpCluster;
  let downpour: Downpour;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
    downpour = await connect(cluster.url, { tf });
  }, 180_000);
  afterAll(() => cluster?.stop());

  const model = (seed = 1) => {
    const kernelInitializer = tf.initializers.glorotUniform({ seed });
    return tf.sequential({
      layers: [
        tf.layers.dense({ units: 32, activation: 'relu', inputShape: [2], kernelInitializer }),
        tf.layers.batchNormalization(),
        tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer }),
      ],
    });
  };
  const accuracyOf = (given: tf.LayersModel) =>
    tf.tidy(() => {
      const answers = tf.argMax(given.predict(tf.tensor2d(points, [EXAMPLES, 2])) as tf.Tensor, 1).dataSync();
      return answers.filter((answer, row) => answer === sectors[row]).length / EXAMPLES;
    });

  it('trains a tf.LayersModel from its own weights and answers a copy that knows more', async () => {
    const mine = model();
    mine.compile({ optimizer: tf.train.adam(0.01), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
    const before = mine.getWeights().map((weight) => [...weight.dataSync()]);
    const started = accuracyOf(mine);
    const ys = tf.oneHot(tf.tensor1d(sectors, 'int32'), 3);
    const events: JobEvent[] = [];
    const jobs: Job[] = [];
    const trained = await downpour.fit(
      mine,
      { xs: tf.tensor2d(points, [EXAMPLES, 2]), ys },
      {
        epochs: 6,
        batchSize: 32,
        validationSplit: 0.2,
        onEvent: (event) => events.push(event),
        onJob: (job) => jobs.push(job),
      },
    );
    expect(accuracyOf(trained)).toBeGreaterThan(0.93);
    expect(accuracyOf(trained)).toBeGreaterThan(started + 0.2);
    expect(mine.getWeights().map((weight) => [...weight.dataSync()])).toEqual(before);
    expect(trained.layers.map(({ name }) => name)).toEqual(mine.layers.map(({ name }) => name));
    const { spec, ledger } = await jobs[0]!.record();
    expect(spec).toMatchObject({
      updateRule: { kind: 'adam', learningRate: 0.01 },
      loss: 'softmaxCrossEntropy',
      epochs: 6,
    });
    expect(ledger[0]!.examplesApplied).toBe(6 * 2400);
    const evaluations = events.filter((event) => event.type === 'evaluation');
    expect(evaluations.at(-1)).toMatchObject({ final: true, evaluation: { examples: 600 } });
    // What the trained model was compiled with is good for more of tfjs's own.
    const [loss] = trained.evaluate(tf.tensor2d(points, [EXAMPLES, 2]), tf.tensor1d(sectors, 'float32')) as tf.Scalar[];
    expect(loss!.dataSync()[0]).toBeLessThan(0.3);
    // Its weights do not stay behind.
    await expect(downpour.gateway.deleteWeights(spec.initialWeights!)).rejects.toThrow('(any more)');
  });

  it('begins where the model is, not where the seed says', async () => {
    const mine = model(7);
    const trained = await downpour.fit(
      mine,
      { xs: points, ys: sectors },
      { epochs: 1, loss: 'softmaxCrossEntropy', updateRule: { kind: 'sgd', learningRate: 1e-6 } },
    );
    // A step of 1e-6 changes next to nothing: what comes back is what went there.
    const far = (a: tf.Tensor, b: tf.Tensor) => tf.tidy(() => a.sub(b).abs().max().dataSync()[0]!);
    const trainable = trained.trainableWeights.map((weight, i) => far(weight.read(), mine.trainableWeights[i]!.read()));
    expect(Math.max(...trainable)).toBeLessThan(1e-3);
    expect(Math.max(...trainable)).toBeGreaterThan(0);
    // State is trained as well: batch normalisation has seen the data.
    const state = trained.nonTrainableWeights.map((weight, i) =>
      far(weight.read(), mine.nonTrainableWeights[i]!.read()),
    );
    expect(Math.max(...state)).toBeGreaterThan(1e-3);
  });

  it('watches a job over a gateway that is killed, each event once', async () => {
    const port = new URL(cluster.url).port;
    // Still going when the next gateway is there: evaluations are asked for by it.
    const job = await downpour.submit({
      model: { zoo: 'logistic' },
      dataset: 'mnist',
      batchSize: 128,
      epochs: 12,
      evaluateEvery: 0.5,
    });
    const events: JobEvent[] = [];
    let replaced: Promise<unknown> | null = null;
    for await (const event of job.events({ signal: AbortSignal.timeout(170_000) })) {
      events.push(event);
      if (event.type === 'evaluation') replaced ??= cluster.replaceGateway(port);
    }
    await replaced;
    expect(new URL(cluster.url).port).toBe(port);
    expect(events.at(-1)).toMatchObject({ type: 'state', state: 'succeeded' });
    const evaluated = events.filter((event) => event.type === 'evaluation').map(({ at }) => at);
    expect(evaluated.length).toBeGreaterThan(4);
    expect(new Set(evaluated).size).toBe(evaluated.length);
    const { modelJson, weights } = await job.model();
    expect(JSON.parse(modelJson)).toMatchObject({ format: 'layers-model' });
    expect(weights.byteLength).toBe(7850 * 4);
  });

  it('cancels the job when it is aborted', async () => {
    const mine = model();
    const abort = new AbortController();
    let job: Job | null = null;
    const fitting = downpour.fit(
      mine,
      { xs: points, ys: sectors },
      {
        epochs: 100_000,
        loss: 'softmaxCrossEntropy',
        signal: abort.signal,
        onJob: (submitted) => (job = submitted),
        onEvent: (event) => event.type === 'worker' && abort.abort(new Error('enough')),
      },
    );
    await expect(fitting).rejects.toThrow('enough');
    expect((await job!.record()).state).toBe('cancelled');
  });

  it('says what the cluster makes of a job that fails', async () => {
    const wrong = tf.sequential({ layers: [tf.layers.dense({ units: 4, inputShape: [784], activation: 'softmax' })] });
    await expect(downpour.fit(wrong, 'mnist', { epochs: 1 })).rejects.toThrow(
      /has failed: .*The last layer has 4 units/,
    );
  });
});
