import type { JobPlan } from '@downpour/contracts';
import { strategySchema } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { FakeChunk, fakeContext, FakeParameters, fakePlan, LinearReplica } from '../fakes.ts';
import { SandblasterReplica } from './sandblaster-replica.ts';

/** 40 examples in two portions of four steps. */
const setUp = () => {
  const plan = fakePlan({ strategy: strategySchema.parse({ kind: 'sandblaster' }) });
  const parameters = new FakeParameters({ initial: [0.5], learningRate: 0 });
  const replica = new LinearReplica();
  const abort = new AbortController();
  const { context, events } = fakeContext(plan, parameters, replica, abort.signal);
  return { plan, parameters, replica, abort, events, loop: new SandblasterReplica(context, { eventIntervalMs: 0 }) };
};
const portion = (plan: JobPlan, chunk: number, version: number, epoch = 0): FakeChunk => {
  const taken = new FakeChunk(plan, epoch, chunk);
  Object.assign(taken.task, { version });
  return taken;
};

describe('SandblasterReplica', () => {
  it('sends the sum over a portion once: of gradients, and of losses', async () => {
    const { plan, parameters, replica, loop, events } = setUp();
    const chunk = portion(plan, 1, 0);
    const outcome = await loop.trainChunk(chunk);
    expect(outcome.kind).toBe('trained');
    expect(chunk.state).toBe('done');
    expect(replica.steps.map(({ begin, end }) => [begin, end])).toEqual([
      [0, 5],
      [5, 10],
      [10, 15],
      [15, 20],
    ]);
    const { features, labels } = await chunk.examples;
    const errors = [...features].map((x, i) => 0.5 * x - labels[i]!);
    const gradient = errors.reduce((sum, error, i) => sum + error * features[i]!, 0);
    const loss = errors.reduce((sum, error) => sum + error ** 2 / 2, 0);
    expect(parameters.pushes).toHaveLength(1);
    const [push] = parameters.pushes;
    expect(push).toMatchObject({ epoch: 0, chunk: 1, push: 0, examples: 20, versions: [0] });
    expect(push!.gradient[0]).toBeCloseTo(gradient, 4);
    expect(push!.loss).toBeCloseTo(loss, 4);
    expect(events).toMatchObject([{ type: 'worker', loss: expect.closeTo(loss / 20, 4) as number }]);
  });

  it('fetches once for all portions of an evaluation, and computes all of them there', async () => {
    const { plan, parameters, replica, loop } = setUp();
    await loop.trainChunk(portion(plan, 0, 0));
    // The fake has another version after each push; the point of the evaluation is the one it was at.
    await loop.trainChunk(portion(plan, 1, 0));
    expect(parameters.pulls).toBe(1);
    expect(new Set(replica.steps.map(({ parameters: [weight] }) => weight))).toEqual(new Set([0.5]));
    await loop.trainChunk(portion(plan, 0, 2, 1));
    expect(parameters.pulls).toBe(2);
  });

  it('has the same dropout in every evaluation: L-BFGS needs one function', async () => {
    const { plan, replica, loop } = setUp();
    await loop.trainChunk(portion(plan, 0, 0));
    await loop.trainChunk(portion(plan, 0, 1, 1));
    const seeds = replica.steps.map(({ seed }) => seed);
    expect(seeds.slice(4)).toEqual(seeds.slice(0, 4));
    expect(new Set(seeds.slice(0, 4)).size).toBe(4);
  });

  it('gives back a portion of an evaluation that is over, and computes nothing', async () => {
    const { plan, parameters, replica, loop } = setUp();
    const chunk = portion(plan, 0, 7);
    expect(await loop.trainChunk(chunk)).toMatchObject({ kind: 'given-back' });
    expect([chunk.state, replica.steps.length, parameters.pushes.length]).toEqual(['given-back', 0, 0]);
  });

  it('tells of a point where the loss is no number, and pushes no gradient of it', async () => {
    const { plan, parameters, loop, events } = setUp();
    parameters.vector[0] = 3e38;
    const chunk = portion(plan, 0, 0);
    await loop.trainChunk(chunk);
    expect(parameters.pushes).toMatchObject([{ bad: true }]);
    expect(parameters.pushes[0]!.loss).toBe(undefined);
    expect(chunk.state).toBe('done');
    expect(events).toEqual([]);
  });

  it('stops between two steps and gives the portion back', async () => {
    const { plan, parameters, replica, loop } = setUp();
    const stop = new AbortController();
    replica.before = (step) => {
      if (step === 1) stop.abort(new Error('leaving'));
    };
    const chunk = portion(plan, 0, 0);
    expect(await loop.trainChunk(chunk, { stop: stop.signal })).toMatchObject({ kind: 'given-back', why: 'stopping' });
    expect([chunk.state, replica.steps.length, parameters.pushes.length]).toEqual(['given-back', 2, 0]);
  });
});
