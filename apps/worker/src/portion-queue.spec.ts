import type { PortionRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { PortionQueue } from './portion-queue.ts';

describe('PortionQueue', () => {
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
