import type { ServerResponse } from 'node:http';
import type { JobEvent, JobRecord } from '@downpour/contracts';
import type { EventSource } from '@downpour/jobs';
import { isTerminal } from '@downpour/jobs';

/** A reader that is this far behind is cut off; it resumes with Last-Event-ID. */
const MAX_BEHIND_BYTES = 8 * 2 ** 20;
/** How often an ended job is looked for, in case its last event is not in the stream any more. */
const CHECK_MS = 1000;
/** Stored events come within this time after each other. */
const REPLAY_QUIET_MS = 1000;

export interface EventStreamSource {
  events: EventSource;
  job: () => Promise<JobRecord>;
  heartbeatMs: number;
}

/**
 * Writes a job's events as Server-Sent Events (WHATWG HTML, section 9.2): what is stored after `after` first, then live, until the event of a terminal
 * state. Resolves when the stream has ended, whoever ended it.
 */
export async function streamEvents(
  response: ServerResponse,
  jobId: string,
  after: number,
  source: EventStreamSource,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'keep-alive',
    // nginx would collect events before it passes them on.
    'x-accel-buffering': 'no',
  });
  if (response.req.method === 'HEAD') {
    response.end();
    return;
  }
  response.write('retry: 2000\n\n');
  let heardAt = Date.now();
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  response.once('close', end);
  const send = (event: JobEvent, sequence: number | null): void => {
    heardAt = Date.now();
    if (response.writableEnded) return;
    const id = sequence === null ? '' : `id: ${sequence}\n`;
    response.write(`${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (response.writableLength > MAX_BEHIND_BYTES) response.destroy();
    if (event.type === 'state' && isTerminal(event.state)) end();
  };
  const heartbeat = setInterval(() => response.write(': still here\n\n'), source.heartbeatMs);
  const check = setInterval(() => {
    if (Date.now() - heardAt < REPLAY_QUIET_MS) return;
    // A failing store is the next check's business.
    source.job().then(
      ({ state, reason, finishedAt }) => {
        if (!isTerminal(state) || Date.now() - heardAt < REPLAY_QUIET_MS) return;
        send({ type: 'state', at: finishedAt ?? new Date().toISOString(), state, reason }, null);
      },
      () => undefined,
    );
  }, CHECK_MS);
  const stop = await source.events.follow(jobId, after, send).catch(() => null);
  if (stop !== null) await ended;
  clearInterval(heartbeat);
  clearInterval(check);
  stop?.();
  if (!response.writableEnded) response.end();
}
