import { jobEventSchema, streams, subjects, type JobEvent } from '@downpour/contracts';
import { DeliverPolicy } from '@nats-io/jetstream';
import type { EventSource } from '@downpour/jobs';
import type { NatsConnection } from './connection.ts';
import { pause } from './connection.ts';

const RETRY_MS = 500;
const PUBLISH_ATTEMPTS = 20;

/** What happens in jobs: kept for a week in one stream, so that a reader that comes late or again sees what it missed. */
export class EventBus implements EventSource {
  readonly #connection: NatsConnection;
  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** An event that may get lost: counters are cumulative, the next one tells as much. */
  report(jobId: string, event: JobEvent): void {
    if (this.#connection.nc.isClosed()) return;
    this.#connection.nc.publish(subjects.event(jobId), JSON.stringify(event));
  }

  /** An event that must not get lost: resolves when it is stored, however long NATS is away (10 s at most, then it rejects). */
  async publish(jobId: string, event: JobEvent): Promise<void> {
    const msgID = crypto.randomUUID();
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#connection.js.publish(subjects.event(jobId), JSON.stringify(event), { msgID });
        return;
      } catch (error) {
        if (attempt === PUBLISH_ATTEMPTS || this.#connection.nc.isClosed()) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  /** The stream's last position: to follow only what comes from now on. */
  async lastSequence(): Promise<number> {
    return (await this.#connection.jsm.streams.info(streams.events)).state.last_seq;
  }

  /** Every event of the job after position `after`, stored ones first, then live ones. */
  follow(jobId: string, after: number, onEvent: (event: JobEvent, sequence: number) => void): Promise<() => void> {
    return this.#follow(subjects.event(jobId), after, (_, event, sequence) => onEvent(event, sequence));
  }

  /** The same for all jobs. */
  followAll(after: number, onEvent: (jobId: string, event: JobEvent, sequence: number) => void): Promise<() => void> {
    return this.#follow(subjects.event('*'), after, onEvent);
  }

  async #follow(
    filter: string,
    after: number,
    onEvent: (jobId: string, event: JobEvent, sequence: number) => void,
  ): Promise<() => void> {
    // An ordered consumer makes itself anew after a lost connection and leaves no gap.
    const consumer = await this.#connection.js.consumers.get(streams.events, {
      filter_subjects: filter,
      ...(after > 0 ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 } : {}),
    });
    const messages = await consumer.consume();
    void (async () => {
      for await (const message of messages) {
        const event = parse(message.data);
        if (event) onEvent(message.subject.slice(message.subject.lastIndexOf('.') + 1), event, message.seq);
      }
    })();
    return () => void messages.close();
  }
}

/** Null for what is no event: anybody can publish to a subject. */
function parse(data: Uint8Array): JobEvent | null {
  try {
    const result = jobEventSchema.safeParse(JSON.parse(new TextDecoder().decode(data)));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}
