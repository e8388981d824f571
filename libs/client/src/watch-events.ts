import { setTimeout as sleep } from 'node:timers/promises';
import { TERMINAL_STATES } from '@downpour/contracts';
import type { JobEvent } from '@downpour/contracts';
import { GatewayError } from './gateway-error.ts';
import { readEvents } from './read-events.ts';
import type { NumberedEvent } from './read-events.ts';

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  /** How long no gateway may answer before the watcher gives up. @default 5 minutes */
  patienceMs?: number | undefined;
}

/** Opens the stream of a job's events behind that number. */
export type OpenEvents = (after: number, signal: AbortSignal) => Promise<Response>;

const PATIENCE_MS = 300_000;
const RETRY_MS = 500;
/** A gateway writes a line every 15 s by default; a connection that is silent for four of them is dead. */
const SILENCE_MS = 60_000;

/**
 * A job's events from its first to that of its end, each once. A connection that breaks, or a gateway that is replaced, is waited for, and the stream goes on
 * behind the last event that came (Last-Event-ID).
 * @throws GatewayError what a gateway says no to; Error when none answers for so long; the signal's reason when it aborts
 */
export async function* watchEvents(
  open: OpenEvents,
  { signal, patienceMs = PATIENCE_MS }: WatchOptions = {},
): AsyncGenerator<JobEvent> {
  let after = 0;
  let lostAt: number | null = null;
  for (;;) {
    signal?.throwIfAborted();
    const connection = new AbortController();
    try {
      const response = await open(after, anyOf(signal, connection.signal));
      lostAt = null;
      for await (const { event, id } of eventsOf(response, connection)) {
        if (id !== null) after = id;
        yield event;
        if (event.type === 'state' && TERMINAL_STATES.includes(event.state)) return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof GatewayError && error.status < 500) throw error;
      lostAt ??= Date.now();
      if (Date.now() - lostAt >= patienceMs)
        throw new Error(
          `No gateway has answered for ${Math.round(patienceMs / 1000)} s. The job goes on as long as its cluster does: watch it again later`,
          { cause: error },
        );
    } finally {
      connection.abort();
    }
    await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

function anyOf(signal: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return signal === undefined ? own : AbortSignal.any([signal, own]);
}

async function* eventsOf(response: Response, connection: AbortController): AsyncGenerator<NumberedEvent> {
  const silence = setTimeout(() => connection.abort(new Error('the connection is silent')), SILENCE_MS);
  try {
    yield* readEvents(response, () => silence.refresh());
  } finally {
    clearTimeout(silence);
  }
}
