import type { JobPlan, PortionRequest } from '@downpour/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { PortionDesk } from './portion-desk.ts';

/** Three portions. */
const plan = { jobId: 'job', chunks: { examples: 30, chunkSize: 10, batchSize: 5, nPush: 2, epochs: 9, seed: 1 } };
const signal = new AbortController().signal;
let desk: PortionDesk;
afterEach(() => desk.close());

const setUp = (...workers: string[]) => {
  const alive = new Set(workers);
  desk = new PortionDesk(plan as JobPlan, () => alive, false);
  const ask = (worker: string, more: Partial<PortionRequest> = {}) =>
    desk.answer({ type: 'portion', v: 1, jobId: 'job', worker, waitMs: 1000, finished: [], returned: [], ...more });
  const take = async (worker: string) => (await ask(worker)).task;
  const finish = (worker: string, chunk: number, epoch = 4) =>
    ask(worker, { waitMs: null, finished: [{ epoch, chunk }] });
  return { alive, ask, take, finish };
};
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setTimeout(resolve, 30));
  return done;
};

describe('PortionDesk', () => {
  it('gives out the portions of an evaluation, and says when all are finished', async () => {
    const { take, finish } = setUp('a', 'b');
    const gathered = desk.gather(4, 17, signal);
    const tasks = await Promise.all([take('a'), take('b'), take('a')]);
    expect(tasks.map((task) => task?.chunk)).toEqual([0, 1, 2]);
    expect(tasks[0]).toMatchObject({ jobId: 'job', epoch: 4, version: 17 });
    for (const chunk of [0, 2]) expect((await finish('a', chunk)).task).toBe(null);
    expect(await settled(gathered)).toBe(false);
    await finish('b', 1);
    await gathered;
  });

  it('lets who asks wait until there is something, but no longer than they will', async () => {
    const { ask, take } = setUp('a');
    expect((await ask('a', { waitMs: 5 })).task).toBe(null);
    const waiting = take('a');
    expect(await settled(waiting)).toBe(false);
    void desk.gather(4, 17, signal);
    expect((await waiting)?.chunk).toBe(0);
  });

  it('gives out again what was given back, and what a worker had that has gone', async () => {
    const { alive, ask, take } = setUp('a', 'b');
    void desk.gather(4, 17, signal);
    for (const chunk of [0, 1, 2]) expect((await take('a'))?.chunk).toBe(chunk);
    const waiting = take('b');
    await ask('a', { waitMs: null, returned: [{ epoch: 4, chunk: 1 }] });
    expect((await waiting)?.chunk).toBe(1);
    const next = take('b');
    expect(await settled(next)).toBe(false);
    alive.delete('a');
    expect((await next)?.chunk).toBe(0);
  });

  it('ends an evaluation that is given up, and gives out nothing of it any more', async () => {
    const { ask, take } = setUp('a');
    const abort = new AbortController();
    const gathered = desk.gather(4, 17, abort.signal);
    await take('a');
    abort.abort(new Error('a shard is lost'));
    await expect(gathered).rejects.toThrow('a shard is lost');
    expect((await ask('a', { waitMs: 5 })).task).toBe(null);
    await expect(desk.gather(5, 18, abort.signal)).rejects.toThrow('a shard is lost');
  });

  it('sends home who still waits when it closes', async () => {
    const { take } = setUp('a');
    const waiting = take('a');
    desk.close();
    expect(await waiting).toBe(null);
  });
});
