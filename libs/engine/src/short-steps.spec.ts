import { TrainingModel, prepareModel } from '@downpour/models';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { sharedVector } from './shared-vectors.ts';
import { ShortSteps } from './short-steps.ts';
import { ModelRunner } from './step/model-runner.ts';
import { loadTensorFlow, type TensorFlow } from './tensorflow/load.ts';
import { batchOf, ROWS } from './testing/small-models.ts';
import type { ThreadStepGraph } from './thread/messages.ts';

/** So many steps are looked at. */
const ENOUGH = 16;

describe('Steps that are short', () => {
  let tensorflow: TensorFlow;
  let runner: ModelRunner;
  let initial: Float32Array;
  let plan: ConstructorParameters<typeof ShortSteps>[0];
  const batch = batchOf(ROWS, 8);
  let graph: () => Promise<ThreadStepGraph | null>;

  beforeAll(async () => {
    tensorflow = await loadTensorFlow();
    const prepared = await prepareModel({ model: { zoo: 'mlp', hiddenUnits: [16], dropout: 0.2 }, seed: 1 }, ROWS);
    ({ initial } = prepared);
    plan = { layout: prepared.layout, dataset: ROWS };
    const model = await TrainingModel.open(prepared.topology, ROWS, prepared.loss);
    runner = new ModelRunner(tensorflow, model, true);
    runner.step(initial, batch, 1);
    graph = () => {
      const found = runner.stepGraph(batch);
      return Promise.resolve(found && { addon: tensorflow.addon, ...found });
    };
  });
  afterAll(() => runner.dispose());

  /** Tells of steps that took so long; resolves when a graph could have been loaded. */
  const tell = async (short: ShortSteps, times: number[], ask = graph) => {
    for (const ms of times) short.ran(batch, ms, ask);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const allOf = (ms: number) => new Array<number>(ENOUGH).fill(ms);

  it('run here once they have shown to be, to the very bits, dropout too', async () => {
    const short = new ShortSteps(plan);
    const gradient = sharedVector(initial.length);
    await tell(short, allOf(1).slice(1));
    expect(short.has(batch, gradient)).toBe(false);
    await tell(short, [1]);
    expect(short.has(batch, gradient)).toBe(true);
    for (const seed of [3, 4]) {
      const { loss, correct } = (await short.run(initial, batch, seed, gradient))!;
      const expected = runner.step(initial, batch, seed);
      expect({ loss, correct, gradient }).toEqual(expected);
    }
    const other = batchOf(ROWS, 7);
    expect(short.has(other, gradient)).toBe(false);
    const sessions = tensorflow.backend.binding.getNumOfSavedModels();
    const underWay = short.run(initial, batch, 5, gradient);
    short.dispose();
    expect(tensorflow.backend.binding.getNumOfSavedModels()).toBe(sessions - 1);
    expect(await underWay).toBeNull();
    expect(short.has(batch, gradient)).toBe(false);
  });

  it('are those whose least time is short: the others were interrupted', async () => {
    const short = new ShortSteps(plan);
    await tell(short, [...allOf(50).slice(1), 1]);
    expect(short.has(batch, sharedVector(initial.length))).toBe(true);
    short.dispose();
  });

  it('go on where they were when they are long, when their graph cannot be had, and into memory that a graph cannot write', async () => {
    const asked: number[] = [];
    const short = new ShortSteps(plan);
    await tell(short, allOf(3.5), () => Promise.resolve((asked.push(1), null)));
    expect(asked).toEqual([]);
    await tell(short, allOf(1), () => Promise.reject(new Error('the thread is gone')));
    expect(short.has(batch, sharedVector(initial.length))).toBe(false);
    const other = new ShortSteps(plan);
    await tell(other, allOf(1));
    expect(other.has(batch, new Float32Array(initial.length + 1).subarray(1))).toBe(false);
    other.dispose();
  });

  it('leave the event loop a turn between two of them', async () => {
    const short = new ShortSteps(plan);
    await tell(short, allOf(1));
    const gradient = sharedVector(initial.length);
    // TensorFlow optimizes the graph in its first run.
    await short.run(initial, batch, 1, gradient);
    let turns = 0;
    const turning = setInterval(() => (turns += 1), 0);
    const until = performance.now() + 200;
    while (performance.now() < until) await short.run(initial, batch, 1, gradient);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(10);
    short.dispose();
  });

  it('that fail say so, and the next is run where it was before', async () => {
    const short = new ShortSteps(plan);
    await tell(short, allOf(1));
    const gradient = sharedVector(initial.length);
    const wrong = { ...batch, labels: batch.labels.subarray(1) };
    await expect(short.run(initial, wrong, 1, gradient)).rejects.toMatchObject({ code: 'internal' });
    expect(short.has(batch, gradient)).toBe(false);
    short.dispose();
  });
});
