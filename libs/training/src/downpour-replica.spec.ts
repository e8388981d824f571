import { pushesInChunk } from '@downpour/contracts';
import { describe, expect, it, vi } from 'vitest';
import { DownpourReplica } from './downpour-replica.ts';
import type { FakePlanOptions } from './fakes.ts';
import { FakeChunk, fakeContext, FakeParameters, fakePlan, LinearReplica } from './fakes.ts';

const RATE = 0.5;

function setUp(
  options: FakePlanOptions & {
    latencyMs?: number;
    fetchAhead?: boolean;
    outstandingPushes?: number;
    pushPulls?: boolean;
  } = {},
) {
  const plan = fakePlan({ learningRate: RATE, ...options });
  const parameters = new FakeParameters({
    initial: new Array(plan.layout.length).fill(0),
    learningRate: RATE,
    trainableLength: 1,
    latencyMs: options.latencyMs ?? 0,
    pushPulls: options.pushPulls ?? false,
  });
  const compute = new LinearReplica(plan.layout.length);
  const abort = new AbortController();
  const { context, events } = fakeContext(plan, parameters, compute, abort.signal);
  const replica = new DownpourReplica(context, { eventIntervalMs: 0, ...options });
  const train = async (...chunks: number[]) => {
    for (const [i, chunk] of chunks.entries()) {
      const outcome = await replica.trainChunk(new FakeChunk(plan, 0, chunk), { more: () => i < chunks.length - 1 });
      if (outcome.kind === 'trained') await outcome.settled;
    }
  };
  return { plan, parameters, compute, abort, events, replica, train };
}

/** Gradients that the fake least squares gives at weight w for rows [begin, end) of a plan of 40 examples. */
function gradientAt(w: number, begin: number, end: number): number {
  let sum = 0;
  for (let row = begin; row < end; row++) {
    const x = Math.fround((row + 1) / 40);
    sum += (x * (w * x - Math.fround(3 * x))) / (end - begin);
  }
  return sum;
}

describe('Downpour SGD', () => {
  it('without overlap and with one replica is plain SGD', async () => {
    const { parameters, train } = setUp();
    await train(0, 1);
    let w = 0;
    for (let begin = 0; begin < 40; begin += 5) w -= RATE * gradientAt(w, begin, begin + 5);
    expect(parameters.pushes).toHaveLength(8);
    expect(parameters.vector[0]).toBeCloseTo(w, 5);
  });

  it.each([
    { nFetch: 1, nPush: 1, pulls: 4, pushes: 4 },
    { nFetch: 1, nPush: 2, pulls: 4, pushes: 2 },
    { nFetch: 2, nPush: 1, pulls: 2, pushes: 4 },
    { nFetch: 2, nPush: 3, pulls: 2, pushes: 2 },
    { nFetch: 3, nPush: 4, pulls: 2, pushes: 1 },
    { nFetch: 100, nPush: 100, pulls: 1, pushes: 1 },
  ])('fetches $pulls and pushes $pushes times in 4 steps with nFetch $nFetch, nPush $nPush', async (row) => {
    const { plan, parameters, train } = setUp({ strategy: { nFetch: row.nFetch, nPush: row.nPush } });
    await train(0);
    expect(parameters.pulls).toBe(row.pulls);
    expect(parameters.pushes).toHaveLength(row.pushes);
    expect(pushesInChunk(plan.chunks, 0)).toBe(row.pushes);
    expect(parameters.pushes.reduce((sum, push) => sum + push.examples, 0)).toBe(20);
  });

  it.each([
    { nFetch: 1, nPush: 1, pulls: 1 },
    { nFetch: 1, nPush: 2, pulls: 5 },
    { nFetch: 2, nPush: 1, pulls: 1 },
    { nFetch: 2, nPush: 3, pulls: 3 },
    { nFetch: 3, nPush: 4, pulls: 3 },
  ])(
    'pushes and pulls in one round where both are due (nFetch $nFetch, nPush $nPush: $pulls pulls beside), and computes the same',
    async ({ nFetch, nPush, pulls }) => {
      const strategy = { nFetch, nPush };
      const [one, apart] = [setUp({ strategy, pushPulls: true, latencyMs: 1 }), setUp({ strategy })];
      await one.train(0, 1);
      await apart.train(0, 1);
      expect(one.compute.steps).toEqual(apart.compute.steps);
      expect(one.parameters.pushes).toEqual(apart.parameters.pushes);
      expect(one.parameters.pulls).toBe(pulls);
    },
  );

  it('fetches anew after a push that was to bring parameters and failed', async () => {
    const { parameters, compute, plan, replica } = setUp({ pushPulls: true });
    let fail = true;
    const push = parameters.push.bind(parameters);
    parameters.push = (request, signal) => {
      if (request.push !== 1 || !fail) return push(request, signal);
      fail = false;
      return Promise.reject(new Error('lost'));
    };
    const chunk = new FakeChunk(plan, 0, 0);
    const outcome = await replica.trainChunk(chunk);
    await expect(outcome.kind === 'trained' && outcome.settled).rejects.toThrow('lost');
    expect(chunk.state).toBe('given-back');
    const again = await replica.trainChunk(new FakeChunk(plan, 0, 0));
    expect(again.kind).toBe('trained');
    // The first of each try, and the one that the lost push was to bring.
    expect(parameters.pulls).toBe(3);
    expect(compute.steps.at(-1)!.parameters).not.toEqual(compute.steps[0]!.parameters);
  });

  it('runs no further ahead of a shard that takes pushes and applies none than pushes may be outstanding', async () => {
    const { parameters, compute, plan, replica, abort } = setUp({ outstandingPushes: 2 });
    let logged = 0;
    parameters.push = async () => [++logged];
    const { promise: stuck, reject } = Promise.withResolvers<never>();
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error));
    const pull = parameters.pull.bind(parameters);
    parameters.pull = (into, signal, { after = [] } = {}) => ((after[0] ?? 0) > 0 ? stuck : pull(into, signal));
    const training = replica.trainChunk(new FakeChunk(plan, 0, 0));
    await vi.waitFor(() => expect(logged).toBe(3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(compute.steps).toHaveLength(3);
    abort.abort(new Error('enough'));
    expect((await training).kind).toBe('given-back');
  });

  it('pushes the sum of the gradients of each window', async () => {
    const { parameters, compute, train } = setUp({ strategy: { nFetch: 100, nPush: 3 } });
    await train(0);
    const gradients = compute.steps.map((step) => gradientAt(step.parameters[0]!, step.begin, step.end));
    expect(parameters.pushes.map((push) => push.gradient[0])).toEqual([
      expect.closeTo(gradients[0]! + gradients[1]! + gradients[2]!, 5),
      expect.closeTo(gradients[3]!, 5),
    ]);
  });

  it("takes local steps between fetches, of the rule's learning rate on weights and of the delta on state", async () => {
    const { compute, train } = setUp({ strategy: { nFetch: 4, nPush: 4 }, stateLength: 1 });
    await train(0);
    const [first, second, third] = compute.steps;
    expect(second!.parameters[0]).toBeCloseTo(
      first!.parameters[0]! - RATE * gradientAt(first!.parameters[0]!, 0, 5),
      5,
    );
    expect(third!.parameters[1]).toBe(10);
  });

  it.each(['versions', 'epochs'] as const)(
    'takes local steps of the rate that the schedule has there, by %s',
    async (unit) => {
      // Each push is a version; a chunk is half an epoch.
      const over = { versions: 4, epochs: 1 }[unit];
      const spec = { learningRateSchedule: { kind: 'exponential' as const, unit, over, rate: 0.25 } };
      const { compute, train } = setUp({ spec, strategy: { nFetch: 2, nPush: 2 } });
      await train(0, 1);
      for (const [fetched, rate] of [1, unit === 'versions' ? Math.sqrt(0.5) : 1, 0.5].entries()) {
        const [before, after] = compute.steps.slice(2 * fetched, 2 * fetched + 2);
        const w = before!.parameters[0]!;
        const at = (fetched >> 1) * 20 + before!.begin;
        expect(after!.parameters[0]).toBeCloseTo(w - rate * RATE * gradientAt(w, at, at + 5), 6);
      }
    },
  );

  it("clips each step's gradient before it is accrued and before the local step, and never the deltas of state", async () => {
    const limit = 0.01;
    const spec = { gradientClip: { norm: limit } };
    const { compute, parameters, train } = setUp({ spec, stateLength: 1, strategy: { nFetch: 4, nPush: 2 } });
    await train(0);
    expect(Math.abs(gradientAt(0, 0, 5))).toBeGreaterThan(limit);
    const steps = compute.steps.map((step) => step.parameters[0]!);
    for (const [index, weight] of steps.entries()) expect(weight).toBeCloseTo(index * RATE * limit, 6);
    expect(parameters.pushes.map(({ gradient }) => gradient[0])).toEqual([
      expect.closeTo(-2 * limit, 6),
      expect.closeTo(-2 * limit, 6),
    ]);
    expect(parameters.pushes.map(({ gradient }) => gradient[1])).toEqual([10, 10]);
  });

  it.each([
    // Chunks of 17 in batches of 5, 5, 5 and 2; of 18 in six of 3: their last windows are short.
    { examples: 51, chunkSize: 17, batchSize: 5, gradientAccumulation: 2, windows: [10, 7] },
    { examples: 54, chunkSize: 18, batchSize: 3, gradientAccumulation: 4, windows: [12, 6] },
  ])('accumulates gradients to that of one larger batch, to 1e-5: windows of $windows examples', async (row) => {
    const { gradientAccumulation, batchSize, windows, ...sizes } = row;
    const accumulated = setUp({ ...sizes, batchSize, spec: { gradientAccumulation } });
    const large = setUp({ ...sizes, batchSize: batchSize * gradientAccumulation });
    for (const { train } of [accumulated, large]) await train(0, 1, 2);
    // All steps of a window compute on the parameters that were fetched for its first.
    const computed = accumulated.compute.steps.map(({ parameters }) => parameters[0]);
    expect(new Set(computed).size).toBe(6);
    expect(accumulated.parameters.pulls).toBe(6);
    const pushes = [accumulated, large].map(({ parameters }) => parameters.pushes);
    expect(pushes[0]!.map(({ examples }) => examples)).toEqual([...windows, ...windows, ...windows]);
    for (const [index, push] of pushes[0]!.entries()) {
      expect(push.examples).toBe(pushes[1]![index]!.examples);
      expect(Math.abs(push.gradient[0]! - pushes[1]![index]!.gradient[0]!)).toBeLessThan(1e-5);
    }
    expect(Math.abs(accumulated.parameters.vector[0]! - large.parameters.vector[0]!)).toBeLessThan(1e-5);
    expect(large.parameters.vector[0]).not.toBe(0);
  });

  it('clips what is accumulated as the one gradient that it is', async () => {
    const limit = 0.01;
    const spec = { gradientAccumulation: 4, gradientClip: { norm: limit } };
    const { parameters, train } = setUp({ spec });
    await train(0);
    expect(parameters.pushes.map(({ gradient }) => gradient[0])).toEqual([expect.closeTo(-limit, 7)]);
  });

  it('adds the deltas of state to what the shard has', async () => {
    const { parameters, train } = setUp({ strategy: { nFetch: 1, nPush: 2 }, stateLength: 1 });
    await train(0, 1);
    expect(parameters.vector[1]).toBe(40);
  });

  it('counts steps for nFetch across chunks of a job and pushes within the chunk', async () => {
    const { parameters, train } = setUp({ strategy: { nFetch: 3, nPush: 3 } });
    await train(0, 1);
    expect(parameters.pulls).toBe(3); // Steps 0, 3 and 6 of 8.
    expect(parameters.pushes.map((push) => [push.chunk, push.push, push.examples])).toEqual([
      [0, 0, 15],
      [0, 1, 5],
      [1, 0, 15],
      [1, 1, 5],
    ]);
  });

  it('fetches anew when nothing was in hand after the last chunk', async () => {
    const { parameters, train } = setUp({ strategy: { nFetch: 100 } });
    await train(0);
    await train(1);
    expect(parameters.pulls).toBe(2);
  });

  it('says of each push the version that its window was computed on', async () => {
    const { parameters, train } = setUp({ strategy: { nFetch: 2, nPush: 1 }, latencyMs: 2 });
    await train(0);
    expect(parameters.pushes.map((push) => push.versions[0]).slice(0, 2)).toEqual([0, 0]);
    for (const push of parameters.pushes) expect(push.versions[0]).toBeLessThanOrEqual(push.push);
  });

  it('overlaps the fetch of the next step with this one, at the price of one step of staleness', async () => {
    const { parameters, compute, train } = setUp({ latencyMs: 5, fetchAhead: true });
    compute.before = () => new Promise((resolve) => setTimeout(resolve, 20));
    await train(0);
    // The fetch of step k began with step k - 1, when the pushes of steps up to k - 2 had been applied.
    expect(parameters.pushes.map((push) => push.versions[0])).toEqual([0, 0, 1, 2]);
  });

  it('trains a chunk that comes again under the same keys, batches and seeds, and the ledger drops it', async () => {
    const { plan, parameters, compute, replica, train } = setUp({ strategy: { nPush: 3 } });
    await train(1);
    const before = parameters.vector[0];
    const again = new FakeChunk(plan, 0, 1, 2);
    const outcome = await replica.trainChunk(again);
    if (outcome.kind === 'trained') await outcome.settled;
    const keys = parameters.pushes.map(({ epoch, chunk, push, examples }) => `${epoch}/${chunk}/${push}:${examples}`);
    expect(keys).toEqual(['0/1/0:15', '0/1/1:5', '0/1/0:15', '0/1/1:5']);
    const rows = compute.steps.map(({ begin, end, seed }) => ({ begin, end, seed }));
    expect(rows.slice(4)).toEqual(rows.slice(0, 4));
    expect(new Set(rows.map((row) => row.seed)).size).toBe(4);
    expect(parameters.duplicatesDropped).toBe(2);
    expect(parameters.vector[0]).toBe(before);
    expect(again.state).toBe('done');
  });

  it('cuts a short last batch and a short last chunk', async () => {
    const { parameters, compute, train } = setUp({ examples: 27, chunkSize: 20, batchSize: 6, strategy: { nPush: 2 } });
    await train(0, 1);
    expect(compute.steps.map(({ begin, end }) => end - begin)).toEqual([6, 6, 6, 2, 6, 1]);
    expect(parameters.pushes.map((push) => push.examples)).toEqual([12, 8, 7]);
  });

  it('acknowledges a chunk only when all its pushes are durable, and computes on meanwhile', async () => {
    const { plan, parameters, replica } = setUp({ outstandingPushes: 8 });
    let open = () => {};
    parameters.gate = new Promise((resolve) => (open = resolve));
    const first = new FakeChunk(plan, 0, 0);
    const outcome = await replica.trainChunk(first, { more: () => true });
    const second = await replica.trainChunk(new FakeChunk(plan, 0, 1));
    expect(first.state).toBe('held');
    open();
    expect(outcome.kind === 'trained' && (await outcome.settled)).toBe('done');
    expect(second.kind === 'trained' && (await second.settled)).toBe('done');
    expect(first.state).toBe('done');
    expect(parameters.applied.size).toBe(8);
  });

  it('waits when as many pushes are outstanding as may be', async () => {
    const { parameters, compute, train } = setUp({ outstandingPushes: 2, latencyMs: 3, fetchAhead: true });
    await train(0, 1);
    expect(parameters.mostOutstanding).toBe(2);
    expect(compute.steps).toHaveLength(8);
  });

  it('gives a chunk back when its job ends in the middle, and pushes nothing more', async () => {
    const { plan, parameters, compute, abort, replica } = setUp();
    compute.before = (step) => {
      if (step === 2) abort.abort();
    };
    const chunk = new FakeChunk(plan, 0, 0);
    const outcome = await replica.trainChunk(chunk);
    expect(outcome).toMatchObject({ kind: 'given-back', why: 'cancelled' });
    expect(chunk.state).toBe('given-back');
    expect(parameters.pushes.length).toBeLessThanOrEqual(2);
  });

  it('stops between steps when asked to, with what it pushed durable and whole windows only', async () => {
    const { plan, parameters, compute, replica } = setUp({ strategy: { nPush: 2 } });
    const stop = new AbortController();
    compute.before = (step) => {
      if (step === 2) stop.abort();
    };
    const chunk = new FakeChunk(plan, 0, 0);
    const outcome = await replica.trainChunk(chunk, { stop: stop.signal });
    expect(outcome).toMatchObject({ kind: 'given-back', why: 'stopping' });
    expect(chunk.state).toBe('given-back');
    expect(parameters.pushes.map((push) => [push.push, push.examples])).toEqual([[0, 10]]);
  });

  it('stops waiting for examples when asked to', async () => {
    const { plan, replica } = setUp();
    const stop = new AbortController();
    const chunk = new FakeChunk(plan, 0, 0, 1, new Promise(() => {}));
    setTimeout(() => stop.abort(), 5);
    expect(await replica.trainChunk(chunk, { stop: stop.signal })).toMatchObject({ why: 'stopping' });
    expect(chunk.state).toBe('given-back');
  });

  it('throws what a step throws, after giving the chunk back, and trains the next one', async () => {
    const { plan, compute, replica, parameters } = setUp();
    compute.before = (step) => {
      if (step === 1) throw new Error('no such kernel');
    };
    const chunk = new FakeChunk(plan, 0, 0);
    await expect(replica.trainChunk(chunk)).rejects.toThrow('no such kernel');
    expect(chunk.state).toBe('given-back');
    compute.before = () => undefined;
    const outcome = await replica.trainChunk(new FakeChunk(plan, 0, 0, 2));
    expect(outcome.kind === 'trained' && (await outcome.settled)).toBe('done');
    expect(parameters.applied.size).toBe(4);
  });

  it('never pushes the gradient of a loss that is not a number', async () => {
    const { plan, parameters, replica } = setUp();
    parameters.vector[0] = Number.NaN;
    const chunk = new FakeChunk(plan, 0, 0);
    await expect(replica.trainChunk(chunk)).rejects.toMatchObject({ code: 'diverged' });
    expect(parameters.pushes).toHaveLength(0);
    expect(chunk.state).toBe('given-back');
  });

  describe('of a job that skips bad gradients', () => {
    const poisonStep = (compute: LinearReplica, bad: (step: number) => boolean, what: 'loss' | 'gradient') => {
      const step = compute.step.bind(compute);
      compute.step = async (...given) => {
        const result = await step(...given);
        if (!bad(compute.steps.length - 1)) return result;
        if (what === 'loss') return { ...result, loss: NaN };
        const gradient = result.gradient.slice();
        gradient[0] = Infinity;
        return { ...result, gradient };
      };
    };

    it.each(['loss', 'gradient'] as const)(
      'sends a bad %s as a push without one, tells of it, and goes on',
      async (what) => {
        const { plan, parameters, compute, events, replica } = setUp({ onBadGradient: 'skip' });
        poisonStep(compute, (step) => step === 1, what);
        const chunk = new FakeChunk(plan, 0, 0);
        const outcome = await replica.trainChunk(chunk);
        expect(outcome.kind === 'trained' && (await outcome.settled)).toBe('done');
        expect(parameters.pushes.map(({ push, bad }) => [push, bad])).toEqual([
          [0, undefined],
          [1, true],
          [2, undefined],
          [3, undefined],
        ]);
        expect(parameters.badDropped).toBe(1);
        expect(parameters.vector.every(Number.isFinite)).toBe(true);
        const problems = events.filter(({ type }) => type === 'problem');
        expect(problems).toMatchObject([{ code: 'bad-gradient', fatal: false, chunk: { epoch: 0, chunk: 0 } }]);
        expect(problems).toHaveProperty('0.message', expect.stringContaining('Push 1 of chunk 0 of epoch 0'));
        const worker = events.findLast(({ type }) => type === 'worker');
        expect(worker?.type === 'worker' && Number.isFinite(worker.loss)).toBe(true);
      },
    );

    it('keeps a bad step out of the local steps between fetches, and drops its whole window', async () => {
      const { plan, parameters, compute, replica } = setUp({
        strategy: { nFetch: 4, nPush: 2 },
        onBadGradient: 'skip',
      });
      poisonStep(compute, (step) => step === 0, 'gradient');
      const outcome = await replica.trainChunk(new FakeChunk(plan, 0, 0));
      expect(outcome.kind === 'trained' && (await outcome.settled)).toBe('done');
      expect(parameters.pushes.map(({ bad }) => bad)).toEqual([true, undefined]);
      expect(compute.steps.every((step) => step.parameters.every(Number.isFinite))).toBe(true);
    });

    it('gives up when the parameters themselves are not finite: every gradient would be bad', async () => {
      const { plan, parameters, replica } = setUp({ onBadGradient: 'skip' });
      parameters.vector[0] = Number.NaN;
      await expect(replica.trainChunk(new FakeChunk(plan, 0, 0))).rejects.toMatchObject({ code: 'diverged' });
      expect(parameters.pushes).toHaveLength(0);
    });
  });

  it('never pushes a gradient that is not finite though its loss is', async () => {
    const { plan, parameters, compute, replica } = setUp();
    const step = compute.step.bind(compute);
    compute.step = async (...given) => ({ ...(await step(...given)), gradient: Float32Array.of(NaN) });
    await expect(replica.trainChunk(new FakeChunk(plan, 0, 0))).rejects.toMatchObject({
      code: 'diverged',
      message: expect.stringContaining('chunk 0 of epoch 0'),
    });
    expect(parameters.pushes).toHaveLength(0);
  });

  it('takes no clipped gradient that was infinite for a good one', async () => {
    const { compute, parameters, train } = setUp({ spec: { gradientClip: { value: 1 } }, onBadGradient: 'skip' });
    const step = compute.step.bind(compute);
    compute.step = async (...args) => {
      const result = await step(...args);
      if (args[2] === 5) result.gradient[0] = Infinity;
      return result;
    };
    await train(0);
    expect(parameters.pushes.map(({ bad }) => bad ?? false)).toEqual([false, true, false, false]);
  });

  it('refuses a chunk of another number of examples than planned', async () => {
    const { plan, replica } = setUp();
    const wrong = Promise.resolve({ count: 3, features: new Float32Array(3), labels: new Float32Array(3) });
    await expect(replica.trainChunk(new FakeChunk(plan, 0, 0, 1, wrong))).rejects.toMatchObject({
      code: 'invalid-dataset',
    });
  });

  it('reports each chunk with cumulative counters', async () => {
    const { events, train } = setUp();
    await train(0, 1);
    expect(events).toMatchObject([
      { type: 'worker', examples: 20, steps: 4, epoch: 0, chunk: 0 },
      { type: 'worker', examples: 40, steps: 8, epoch: 0, chunk: 1 },
    ]);
    const [first, second] = events as { loss: number; examplesPerSecond: number }[];
    expect(first!.loss).toBeGreaterThan(0);
    expect(second!.examplesPerSecond).toBeGreaterThan(0);
  });
});
