import type { PortionReply, PortionRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { RequestClient } from '@downpour/nats';
import { describe, expect, it } from 'vitest';
import { PortionQueue } from './portion-queue.ts';

const TASK = { type: 'chunk', v: 1, jobId: 'job', epoch: 4, chunk: 2, version: 9 } as const;

/** A coordinator that answers with what `reply` says: a task, nothing, or an error. */
const queueOf = (reply: (request: PortionRequest, nth: number) => typeof TASK | null) => {
  const asked: PortionRequest[] = [];
  const request = async (_: string, header: PortionRequest): Promise<{ header: PortionReply }> => {
    asked.push(header);
    return { header: { type: 'portion', v: 1, task: reply(header, asked.length), delivery: 3 } };
  };
  return { asked, queue: new PortionQueue({ request } as unknown as RequestClient, 'job', 'w1') };
};
const away = () => {
  throw new DownpourError('unavailable', 'nobody listens');
};

describe('PortionQueue', () => {
  it('asks for a portion, and tells that it is finished, or given back', async () => {
    const { asked, queue } = queueOf(() => TASK);
    const held = (await queue.next(50))!;
    expect(held.task).toEqual(TASK);
    // How often it went out says nothing of it: it is no poison chunk.
    expect(held.delivery).toBe(1);
    await held.done();
    await held.giveBack();
    expect(asked.map(({ waitMs, finished, returned }) => ({ waitMs, finished, returned }))).toEqual([
      { waitMs: 50, finished: [], returned: [] },
      { waitMs: null, finished: [{ epoch: 4, chunk: 2 }], returned: [] },
      { waitMs: null, finished: [], returned: [{ epoch: 4, chunk: 2 }] },
    ]);
    expect(new Set(asked.map(({ worker }) => worker))).toEqual(new Set(['w1']));
  });

  it('has none where there is none', async () => {
    expect(await queueOf(() => null).queue.next(0)).toBe(null);
  });

  it('has none while nobody coordinates the job, and waits so long, that it does not ask all the time', async () => {
    const { queue } = queueOf(away);
    const began = performance.now();
    expect(await queue.next(30)).toBe(null);
    expect(performance.now() - began).toBeGreaterThan(25);
  });

  it('tells again what nobody has heard, and gives up after three times', async () => {
    const heard = queueOf((_, nth) => (nth === 2 ? away() : TASK));
    await (await heard.queue.next(0))!.done();
    expect(heard.asked.length).toBe(3);
    const gone = queueOf((_, nth) => (nth > 1 ? away() : TASK));
    await (await gone.queue.next(0))!.done();
    expect(gone.asked.length).toBe(4);
  });

  it('throws what is no absence', async () => {
    const { queue } = queueOf(() => {
      throw new DownpourError('invalid-request', 'no such job');
    });
    await expect(queue.next(0)).rejects.toThrow('no such job');
  });

  it('tells with each wish what it has in hand, which is not what an answer that was lost gave it', async () => {
    const asked: PortionRequest[] = [];
    const answers = [{ chunk: 0 }, 'lost', { chunk: 2 }] as const;
    let wishes = 0;
    const requests = {
      request: async (_subject: string, request: PortionRequest) => {
        asked.push(request);
        const answer = request.waitMs === null ? null : (answers[wishes++] ?? null);
        if (answer === 'lost') throw new DownpourError('timeout', 'no answer');
        const task = answer && { type: 'chunk', v: 1, jobId: 'job', epoch: 4, chunk: answer.chunk, version: 1 };
        return { header: { type: 'portion', v: 1, task, delivery: 1 }, tensors: {} };
      },
    };
    const queue = new PortionQueue(requests as never, 'job', 'w');
    const first = await queue.next(1);
    expect(await queue.next(1)).toBe(null);
    const second = await queue.next(1);
    expect(await queue.next(1)).toBe(null);
    await first!.done();
    await second!.giveBack();
    expect(await queue.next(1)).toBe(null);
    const [first0, second2] = [0, 2].map((chunk) => ({ epoch: 4, chunk }));
    expect(asked.map(({ holding }) => holding)).toEqual([
      [],
      [first0],
      [first0],
      [first0, second2],
      undefined,
      undefined,
      [],
    ]);
  });
});
