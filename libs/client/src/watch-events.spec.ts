import { describe, expect, it } from 'vitest';
import { connect } from './downpour.ts';
import { GatewayError } from './gateway-error.ts';
import { watchEvents } from './watch-events.ts';

const state = (name: string) => ({ type: 'state', at: '2026-11-25T00:00:00.000Z', state: name, reason: null });
const stream = (events: [id: number, event: object][], breaks = false): Response =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const [id, event] of events)
          controller.enqueue(new TextEncoder().encode(`id: ${id}\nevent: state\ndata: ${JSON.stringify(event)}\n\n`));
        if (breaks) setTimeout(() => controller.error(new Error('cut off')), 20);
        else controller.close();
      },
    }),
  );

describe('watchEvents', () => {
  it('goes on behind the last event when a connection breaks or is refused, and ends with the job', async () => {
    const asked: number[] = [];
    const answers = [
      () =>
        stream(
          [
            [3, state('queued')],
            [7, state('preparing')],
          ],
          true,
        ),
      () => {
        throw new TypeError('fetch failed');
      },
      () => {
        throw new GatewayError(503, { detail: 'no connection to NATS' });
      },
      () => stream([[9, state('training')]]),
      () => stream([[12, state('succeeded')]], true),
    ];
    const seen: string[] = [];
    for await (const event of watchEvents(async (after) => {
      asked.push(after);
      return answers.shift()!();
    }))
      if (event.type === 'state') seen.push(event.state);
    expect(seen).toEqual(['queued', 'preparing', 'training', 'succeeded']);
    expect(asked).toEqual([0, 7, 7, 7, 9]);
  });

  it('passes on what the gateway says no to, gives up after its patience, and ends when it is aborted', async () => {
    const all = async (open: () => Promise<Response>, options = {}) => {
      for await (const event of watchEvents(open, options)) void event;
    };
    const missing = () => Promise.reject(new GatewayError(404, { detail: 'There is no job x' }));
    await expect(all(missing)).rejects.toThrow('There is no job x');
    const nobody = () => Promise.reject(new TypeError('fetch failed'));
    await expect(all(nobody, { patienceMs: 600 })).rejects.toThrow(/No gateway has answered for 1 s/);
    await expect(all(nobody, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('connect', () => {
  it('says what is wrong with an address', async () => {
    await expect(connect('localhost:8080')).rejects.toThrow('should be like http://127.0.0.1:8080');
    await expect(connect('http://127.0.0.1:9')).rejects.toThrow('There is no Downpour gateway at http://127.0.0.1:9');
  });
});
