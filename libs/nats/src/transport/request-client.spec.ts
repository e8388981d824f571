import { encodeFrame } from '@downpour/tensor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NatsLink, PublishOptions } from '../link/nats-link.ts';
import { RequestClient } from './request-client.ts';

const SLICE_BYTES = 2 ** 16;

/** A link whose socket is slow: what is published leaves when `send` is called, first come, first served. */
const slowLink = () => {
  const line: PublishOptions[] = [];
  let answer: (error: null, message: object) => void = () => undefined;
  const link = {
    maxSliceBytes: SLICE_BYTES,
    maxPayloadBytes: SLICE_BYTES,
    onStatus: () => () => undefined,
    nc: { subscribe: (_: string, { callback }: { callback: typeof answer }) => void (answer = callback) },
    publish: (_subject: string, _data: Uint8Array, options: PublishOptions) => line.push(options) > 0,
  } as unknown as NatsLink;
  return {
    client: new RequestClient(link),
    replies: line,
    send: () => line.shift()?.onSent?.(),
    answer: (subject: string) => answer(null, { subject, data: encodeFrame({ type: 'done' }) }),
  };
};

describe('a large request', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is not given up while it is still being sent, nor one that waits in line behind it', async () => {
    const { client, replies, send, answer } = slowLink();
    const inboxes: string[] = [];
    const ask = () => {
      const asked = client.send('dp.test', new Uint8Array(4 * SLICE_BYTES), { timeoutMs: 1000, slices: true });
      inboxes.push(replies.at(-1)!.reply!);
      return asked;
    };
    const both = Promise.all([ask(), ask()]);
    both.catch(() => undefined);
    for (const inbox of inboxes) {
      for (let slice = 0; slice < 4; slice++) {
        await vi.advanceTimersByTimeAsync(900);
        send();
      }
      answer(inbox);
    }
    expect((await both).map(({ header }) => header)).toEqual([{ type: 'done' }, { type: 'done' }]);
  });

  it('is given up when nothing of it leaves any more, or nothing is answered', async () => {
    const { client, send } = slowLink();
    const asked = client.send('dp.test', new Uint8Array(2 * SLICE_BYTES), { timeoutMs: 1000, slices: true });
    asked.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(900);
    send();
    await vi.advanceTimersByTimeAsync(1100);
    await expect(asked).rejects.toThrow('No answer to dp.test within 1000 ms');
  });
});
