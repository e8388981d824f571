import type { JobEvent } from '@downpour/contracts';
import { createParser } from 'eventsource-parser';

export interface NumberedEvent {
  event: JobEvent;
  /** What `Last-Event-ID` is to say to go on behind it. */
  id: number | null;
}

/** The job events of one response. `onBytes` is told of whatever comes, lines that are no event too. */
export async function* readEvents(response: Response, onBytes?: () => void): AsyncGenerator<NumberedEvent> {
  const ready: NumberedEvent[] = [];
  const parser = createParser({
    onEvent: ({ data, id }) => ready.push({ event: JSON.parse(data) as JobEvent, id: id ? Number(id) : null }),
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    onBytes?.();
    parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }));
    yield* ready.splice(0);
  }
}
