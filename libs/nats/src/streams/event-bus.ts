import { DownpourError, jobEventSchema, streams, subjects } from '@downpour/contracts';
import type { JobEvent } from '@downpour/contracts';
import type { EventSource } from '@downpour/jobs';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { NatsLink } from '../link/nats-link.ts';
import { refusalReason } from '../refusals/refusals.ts';
import { newMessageId } from '../transport/wire.ts';
import { messageOf } from './jetstream-errors.ts';
import { StreamReader } from './stream-reader.ts';
import { pause } from '../link/pause.ts';

const PUBLISH_TIMEOUT_MS = 3000;
const PUBLISH_TRIES = 10;

/** What happens in jobs, as a stream of JSON: kept for a week, read from any place by job, or live for all. */
export class EventBus implements EventSource {
  readonly #link: NatsLink;
  readonly #js: JetStreamClient;

  constructor(link: NatsLink) {
    this.#link = link;
    this.#js = jetstream(link.nc, { timeout: PUBLISH_TIMEOUT_MS });
  }

  /** An event that must not get lost: resolves when it is stored, once. @throws DownpourError unavailable after about half a minute */
  async publish(jobId: string, event: JobEvent): Promise<void> {
    const bytes = JSON.stringify(event);
    const msgID = newMessageId();
    for (let tries = 1; ; tries++) {
      try {
        await this.#link.whenConnected(AbortSignal.timeout(PUBLISH_TIMEOUT_MS));
        await this.#js.publish(subjects.event(jobId), bytes, { msgID });
        return;
      } catch (cause) {
        if (tries >= PUBLISH_TRIES || this.#link.closed)
          throw new DownpourError('unavailable', `An event of job ${jobId} was not stored: ${messageOf(cause)}`, {
            cause,
          });
        await pause(50 * tries);
      }
    }
  }

  /** A periodic event, whose next one says the same again: stored as a rule, never waited for. */
  report(jobId: string, event: JobEvent): void {
    this.#link.publish(subjects.event(jobId), Buffer.from(JSON.stringify(event)));
  }

  /** Every event of a job after position `after` (0: from the first one kept), in order, until the returned function is called. */
  follow(jobId: string, after: number, onEvent: (event: JobEvent, sequence: number) => void): Promise<() => void> {
    return this.#follow(subjects.event(jobId), after, (_jobId, event, sequence) => onEvent(event, sequence));
  }

  /** The same for all jobs. */
  followAll(after: number, onEvent: (jobId: string, event: JobEvent, sequence: number) => void): Promise<() => void> {
    return this.#follow(subjects.event('*'), after, onEvent);
  }

  /** The stream's newest position: to follow only what comes from now on. */
  async lastSequence(): Promise<number> {
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    return (await jsm.streams.info(streams.events)).state.last_seq;
  }

  /** Events of all jobs as they happen; those during an interruption are missed. */
  subscribeAll(onEvent: (jobId: string, event: JobEvent) => void): () => void {
    const prefix = subjects.event('');
    const subscription = this.#link.nc.subscribe(subjects.event('*'), {
      callback: (error, message) => {
        const event = error === null ? this.#parse(message.data) : null;
        if (event !== null) onEvent(message.subject.slice(prefix.length), event);
      },
    });
    return () => subscription.unsubscribe();
  }

  async #follow(
    filter: string,
    after: number,
    onEvent: (jobId: string, event: JobEvent, sequence: number) => void,
  ): Promise<() => void> {
    const prefix = subjects.event('');
    const reader = await StreamReader.start(this.#link, {
      stream: streams.events,
      filter,
      start: { after },
      onMessage: ({ subject, data, sequence }) => {
        const event = this.#parse(data);
        if (event !== null) onEvent(subject.slice(prefix.length), event, sequence);
      },
    });
    return () => void reader.stop();
  }

  #parse(bytes: Uint8Array): JobEvent | null {
    try {
      return jobEventSchema.parse(
        JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')),
      );
    } catch (error) {
      // Of another version, or no event at all: a stream of news goes on without it.
      this.#link.refusals.count('events', refusalReason(error));
      return null;
    }
  }
}
