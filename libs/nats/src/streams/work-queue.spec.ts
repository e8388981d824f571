import type { ChunkTask, EvaluateTask } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { coordinatorPort, startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { ChunkQueues } from './chunk-queues.ts';
import type { ChunkQueue } from './chunk-queues.ts';
import { EvaluationQueue } from './evaluation-queue.ts';

const chunk = (jobId: string, epoch: number, chunk: number): ChunkTask => ({
  type: 'chunk',
  v: 1,
  jobId,
  epoch,
  chunk,
});

describe('the chunk queue', () => {
  let nats: NatsFixture;
  let link: NatsLink;
  let other: NatsLink;
  let queue: ChunkQueue;
  let jobId = '';
  let serial = 0;
  beforeAll(async () => {
    nats = await startNatsFixture();
    link = await nats.link();
    other = await nats.link();
  });
  afterAll(() => nats.stop());
  beforeEach(async () => {
    jobId = `j${serial++}`;
    await coordinatorPort(link).createStreams(jobId, { storage: 'file', replicas: 1 });
    queue = new ChunkQueues(link).open(jobId);
  });
  afterEach(() => coordinatorPort(link).removeStreams(jobId));

  it('gives every chunk to one taker', async () => {
    const COUNT = 300;
    await queue.enqueue(Array.from({ length: COUNT }, (_, n) => chunk(jobId, 0, n)));
    const takers = [queue, new ChunkQueues(other).open(jobId), new ChunkQueues(other).open(jobId)];
    const taken: number[] = [];
    await Promise.all(
      takers.map(async (taker) => {
        for (let held = await taker.next(0); held !== null; held = await taker.next(100)) {
          taken.push(held.task.chunk);
          expect(held.delivery).toBe(1);
          await held.done();
        }
      }),
    );
    expect(taken.sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    expect(await queue.pending()).toBe(0);
  });

  it('does not count it when a chunk is given back untried, and keeps what was counted before', async () => {
    await queue.enqueue([chunk(jobId, 0, 7)]);
    const taken = async () => (await until('the chunk', () => queue.next(500)))!;
    for (let turn = 0; turn < 8; turn++) {
      const held = await taken();
      expect([held.task.chunk, held.delivery]).toEqual([7, 1]);
      await held.giveBack({ untried: true });
    }
    await (await taken()).giveBack();
    const second = await taken();
    expect(second.delivery).toBe(2);
    await second.giveBack({ untried: true });
    const third = await taken();
    expect(third.delivery).toBe(2);
    await third.giveBack();
    const fourth = await taken();
    expect(fourth.delivery).toBe(3);
    await fourth.done();
    expect(await queue.pending()).toBe(0);
  });

  it('does not take the same chunk twice into the queue', async () => {
    const epoch = Array.from({ length: 20 }, (_, n) => chunk(jobId, 0, n));
    await Promise.all([queue.enqueue(epoch), new ChunkQueues(other).open(jobId).enqueue(epoch)]);
    expect(await queue.pending()).toBe(20);
    const held = await queue.next(0);
    await held?.done();
    // Not even when it is done already.
    await queue.enqueue(epoch);
    expect(await queue.pending()).toBe(19);
  });

  it('says at once that it is empty, or waits as long as it was asked to', async () => {
    const begun = performance.now();
    expect(await queue.next(0)).toBeNull();
    expect(performance.now() - begun).toBeLessThan(500);
    expect(await queue.next(50)).toBeNull();
    const waiting = queue.next(5000);
    setTimeout(() => void queue.enqueue([chunk(jobId, 1, 1)]), 100);
    expect((await waiting)?.task).toEqual(chunk(jobId, 1, 1));
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  it('gives a chunk that is given back to the next taker at once, counting', async () => {
    await queue.enqueue([chunk(jobId, 0, 0)]);
    const first = await queue.next(0);
    expect(await queue.pending()).toBe(1);
    await first?.giveBack();
    const second = await new ChunkQueues(other).open(jobId).next(2000);
    expect(second).toMatchObject({ task: chunk(jobId, 0, 0), delivery: 2 });
    await second?.done();
    expect(await queue.pending()).toBe(0);
  });

  it('leaves a chunk with a holder that is slow, and takes it from one that is gone', { timeout: 40_000 }, async () => {
    await queue.enqueue([chunk(jobId, 0, 0), chunk(jobId, 0, 1)]);
    const slow = await queue.next(0);
    const doomed = await nats.link();
    const lost = await new ChunkQueues(doomed).open(jobId).next(0);
    await doomed.nc.close();
    const begun = performance.now();
    const again = await queue.next(15_000);
    expect(again?.task).toEqual(lost?.task);
    expect(again?.delivery).toBe(2);
    expect(performance.now() - begun).toBeLessThan(13_000);
    expect(await queue.next(2000)).toBeNull();
    await slow?.done();
    await again?.done();
    expect(await queue.pending()).toBe(0);
  });

  it('confirms a chunk as done across a restart of the server', async () => {
    await queue.enqueue([chunk(jobId, 0, 0), chunk(jobId, 0, 1)]);
    const held = await queue.next(0);
    await nats.server.kill();
    const done = held?.done();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await queue.next(50)).toBeNull();
    await nats.server.restart();
    await done;
    await until('one left', async () => (await queue.pending().catch(() => 0)) === 1);
    const next = await until('the other', () => queue.next(500), 15_000);
    expect(next.task.chunk).toBe(1);
    await next.done();
  });

  it('confirms a chunk as done to a server that has forgotten giving it out', async () => {
    await queue.enqueue([chunk(jobId, 0, 0), chunk(jobId, 0, 1)]);
    const held = await queue.next(0);
    // What a killed server may have lost: the consumer's state.
    await (await jetstreamManager(link.nc)).consumers.delete(`dp-chunk-${jobId}`, 'takers');
    const doubled = await until('its double', () => new ChunkQueues(other).open(jobId).next(500));
    expect(doubled.task).toEqual(held?.task);
    await held?.done();
    expect(await queue.pending()).toBe(1);
    await doubled.done();
    expect((await queue.next(500))?.task.chunk).toBe(1);
  });

  it('forgets what is queued when the job stops early', async () => {
    await queue.enqueue(Array.from({ length: 50 }, (_, n) => chunk(jobId, 0, n)));
    const held = await queue.next(0);
    await coordinatorPort(link).purgeChunks(jobId);
    expect(await queue.next(100)).toBeNull();
    await held?.done();
    expect(await coordinatorPort(link).pendingChunks(jobId)).toBe(0);
  });

  it('throws away what is no task, for nobody could do it', async () => {
    await jetstream(link.nc).publish(`dp.chunk.${jobId}`, '{"type":"other"}');
    await queue.enqueue([chunk(jobId, 0, 0)]);
    expect((await queue.next(1000))?.task).toEqual(chunk(jobId, 0, 0));
    await until('the other to be gone', async () => (await queue.pending()) === 1);
  });

  it('that is gone is not found', async () => {
    const gone = new ChunkQueues(link).open('gone');
    await expect(gone.next(0)).rejects.toMatchObject({ code: 'not-found' });
    await expect(gone.pending()).rejects.toMatchObject({ code: 'not-found' });
    await gone.purge();
    // A queue that goes while somebody waits at it ends the waiting.
    const waiting = queue.next(3000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await coordinatorPort(link).removeStreams(jobId);
    expect(await waiting).toBeNull();
    await expect(queue.next(0)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('gives nothing out once it is closed', async () => {
    await queue.enqueue([chunk(jobId, 0, 0)]);
    await queue.close();
    expect(await queue.next(0)).toBeNull();
  });
});

describe('the evaluation queue', () => {
  const evaluate = (jobId: string, epoch: number, final = false): EvaluateTask => ({
    type: 'evaluate',
    v: 1,
    jobId,
    epoch,
    final,
  });

  it('serves all jobs in one line, once each, and forgets one job', async () => {
    const nats = await startNatsFixture();
    try {
      const link = await nats.link();
      const queue = new EvaluationQueue(link);
      const port = coordinatorPort(link);
      for (const task of [
        evaluate('a', 1),
        evaluate('a', 1),
        evaluate('b', 1),
        evaluate('a', 1.5),
        evaluate('a', 1.5, true),
      ])
        await port.enqueueEvaluation(task);
      const first = await queue.next(0);
      expect(first?.task).toEqual(evaluate('a', 1));
      await first?.done();
      await port.removeStreams('a');
      expect((await queue.next(0))?.task).toEqual(evaluate('b', 1));
      expect(await queue.next(50)).toBeNull();
    } finally {
      await nats.stop();
    }
  });
});
