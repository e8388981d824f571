import { DownpourError } from '@downpour/contracts';
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { createInbox, nanos } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, Subscription } from '@nats-io/nats-core';
import type { NatsLink } from '../link/nats-link.ts';
import { newMessageId } from '../transport/wire.ts';
import { deliveryOf } from './delivery.ts';
import { isStreamNotFound } from './jetstream-errors.ts';
import { pause } from '../link/pause.ts';

/** A stored message, in stream order. */
export interface StreamMessage {
  subject: string;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
  sequence: number;
  /** When the server stored it, ms since 1970. */
  storedAtMs: number;
  /** Stored messages that match and come after it. */
  pending: number;
}

export interface StreamReaderOptions {
  stream: string;
  filter: string;
  /** `lastPerSubject`: the newest of each subject, then what comes; again from the start after each interruption. */
  start: { after: number } | 'new' | 'lastPerSubject';
  /** Called for one message at a time; the next one waits for its promise. What it throws ends the reader and goes to `onError`. */
  onMessage: (message: StreamMessage) => void | Promise<void>;
  /** Everything that was stored when reading began (again) has been handed over. */
  onCaughtUp?: () => void;
  /** `lastPerSubject` only: reading begins (again). */
  onBegin?: () => void;
  onError?: (error: unknown) => void;
  /** Most messages asked for ahead of the handler. @default 256 */
  window?: number;
  /** Bounds the memory of these as well, by the largest message so far: before the first, by the largest that the server takes. */
  windowBytes?: number;
  /** A stream that does not exist when reading begins: wait for it, or reject. @default 'wait' */
  missing?: 'wait' | 'fail';
}

const MOST_AHEAD = 256;
const LEAST_AHEAD = 4;
const HEARTBEAT_MS = 2000;
/** While catching up: how long it takes at most to learn that there is nothing more. */
const CATCH_UP_HEARTBEAT_MS = 500;
const SILENCE_MS = 2.5 * HEARTBEAT_MS;
const CATCH_UP_SILENCE_MS = 4 * CATCH_UP_HEARTBEAT_MS;
/** A cluster that has lost a node answers nobody until it has chosen leaders; what was asked meanwhile it never answers. */
const FIRST_API_TIMEOUT_MS = 1000;
const MAX_API_TIMEOUT_MS = 8000;
const PULL_EXPIRES_MS = 30_000;
/** The server forgets a consumer that nobody pulls from. Longer than any handler, shorter than it would matter. */
const INACTIVE_MS = 120_000;
const RETRY_MS = 250;

/**
 * Reads a stream in order, each message once, from a place of its own: an ephemeral pull consumer that is made anew from the last
 * message received whenever anything is wrong with it: a gap, silence, a lost connection, a restarted server.
 */
export class StreamReader {
  readonly #link: NatsLink;
  readonly #options: StreamReaderOptions;
  readonly #stopped = new AbortController();
  readonly #queue: (StreamMessage | 'caughtUp')[] = [];
  #pumping: Promise<void> = Promise.resolve();
  #active = false;
  #received = 0;
  #largestBytes = 0;
  /** Of the present consumer. */
  #pull: ((batch: number) => void) | undefined;
  #asked = 0;
  #loop: Promise<void> | undefined;

  private constructor(link: NatsLink, options: StreamReaderOptions) {
    this.#link = link;
    this.#options = options;
    if (typeof options.start === 'object') this.#received = options.start.after;
  }

  /** Resolves once reading has begun. @throws DownpourError not-found (with `missing: 'fail'`), unavailable when the link is closed */
  static async start(link: NatsLink, options: StreamReaderOptions, signal?: AbortSignal): Promise<StreamReader> {
    const reader = new StreamReader(link, options);
    const onAbort = (): void => reader.#stopped.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        reader.#loop = reader.#run(resolve, reject);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    return reader;
  }

  /** Sequence of the newest message received. */
  get received(): number {
    return this.#received;
  }

  /** Hands nothing over any more; waits for the handler at work. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#queue.length = 0;
    await this.#loop;
    await this.#pumping;
  }

  get #window(): number {
    const { window = MOST_AHEAD, windowBytes = Infinity } = this.#options;
    return Math.min(
      window,
      Math.max(LEAST_AHEAD, Math.floor(windowBytes / (this.#largestBytes || this.#link.maxPayloadBytes))),
    );
  }

  async #run(onBegun: () => void, onRefused: (error: unknown) => void): Promise<void> {
    const { signal } = this.#stopped;
    let begun = false;
    let timeoutMs = FIRST_API_TIMEOUT_MS;
    while (!signal.aborted) {
      try {
        await this.#link.whenConnected(signal);
        await this.#consume(timeoutMs, () => {
          begun = true;
          timeoutMs = FIRST_API_TIMEOUT_MS;
          onBegun();
        });
      } catch (error) {
        timeoutMs = Math.min(2 * timeoutMs, MAX_API_TIMEOUT_MS);
        const { missing = 'wait', stream } = this.#options;
        if (this.#link.closed || (!begun && missing === 'fail' && isStreamNotFound(error))) {
          this.#stopped.abort();
          onRefused(
            isStreamNotFound(error)
              ? new DownpourError('not-found', `There is no stream ${stream}`, { cause: error })
              : error,
          );
        } else if (!signal.aborted) await pause(RETRY_MS, signal).catch(() => undefined);
      }
    }
    if (!begun) onRefused(signal.reason);
  }

  /** One life of a consumer: returns when it is to be made anew. */
  async #consume(timeoutMs: number, onBegun: () => void): Promise<void> {
    const { stream, filter, start } = this.#options;
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false, timeout: timeoutMs });
    const after = start === 'lastPerSubject' ? 0 : await this.#positionIn(jsm);
    const inbox = createInbox();
    const name = `reader-${newMessageId().replace('.', '-')}`;
    let broken = (): void => undefined;
    const over = new Promise<void>((resolve) => (broken = resolve));
    const life: Life = { expected: 1, heardAt: performance.now(), broken, behind: false };
    let subscription: Subscription | undefined;
    const offStatus = this.#link.onStatus(() => broken());
    const onStop = (): void => broken();
    this.#stopped.signal.addEventListener('abort', onStop);
    const monitor = setInterval(() => {
      const silenceMs = life.behind ? CATCH_UP_SILENCE_MS : SILENCE_MS;
      if (this.#asked > 0 && performance.now() - life.heardAt > silenceMs) broken();
    }, HEARTBEAT_MS / 2);
    try {
      subscription = this.#link.nc.subscribe(inbox, {
        callback: (error, message) => (error === null ? this.#onMessage(life, inbox, message) : broken()),
      });
      const info = await jsm.consumers.add(stream, {
        name,
        ack_policy: AckPolicy.None,
        ...(start === 'lastPerSubject'
          ? { deliver_policy: DeliverPolicy.LastPerSubject }
          : start === 'new' && after === 0
            ? { deliver_policy: DeliverPolicy.New }
            : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 }),
        filter_subject: filter,
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      });
      // From now on an interruption must not lose what comes next, even if nothing has come yet.
      if (start === 'new' && this.#received === 0) this.#received = info.delivered.stream_seq;
      if (start === 'lastPerSubject') this.#options.onBegin?.();
      life.behind = true;
      if (info.num_pending === 0) this.#catchUp(life);
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`;
      this.#asked = 0;
      this.#pull = (batch) => {
        if (this.#asked === 0) life.heardAt = performance.now();
        this.#asked += batch;
        const request = {
          batch,
          expires: nanos(PULL_EXPIRES_MS),
          idle_heartbeat: nanos(life.behind ? CATCH_UP_HEARTBEAT_MS : HEARTBEAT_MS),
        };
        this.#link.publish(subject, Buffer.from(JSON.stringify(request)), { reply: inbox });
      };
      this.#refill();
      onBegun();
      await over;
    } finally {
      this.#pull = undefined;
      this.#asked = 0;
      clearInterval(monitor);
      offStatus();
      this.#stopped.signal.removeEventListener('abort', onStop);
      subscription?.unsubscribe();
      if (this.#link.connected) jsm.consumers.delete(stream, name).catch(() => undefined);
    }
  }

  /** A stream that was made anew since counts from one again. */
  async #positionIn(jsm: JetStreamManager): Promise<number> {
    if (this.#received === 0) return 0;
    const { state } = await jsm.streams.info(this.#options.stream);
    if (state.last_seq < this.#received) this.#received = state.last_seq === 0 ? 0 : state.first_seq - 1;
    return this.#received;
  }

  #onMessage(life: Life, inbox: string, message: Msg): void {
    life.heardAt = performance.now();
    if (message.subject === inbox) return this.#onStatus(life, message);
    const delivery = deliveryOf(message.reply ?? '');
    // A gap: messages of this consumer were lost on the way.
    if (delivery === null || delivery.deliverySequence !== life.expected) return life.broken();
    life.expected += 1;
    this.#asked -= 1;
    this.#received = delivery.streamSequence;
    this.#largestBytes = Math.max(this.#largestBytes, message.data.byteLength);
    this.#enqueue({
      subject: message.subject,
      data: message.data,
      headers: message.headers,
      sequence: delivery.streamSequence,
      storedAtMs: delivery.storedAtMs,
      pending: delivery.pending,
    });
    if (delivery.pending === 0) this.#catchUp(life);
  }

  /** The server's own words: heartbeats, the end of a pull, trouble. */
  #onStatus(life: Life, message: Msg): void {
    const { headers } = message;
    // It has nothing to send: what it counted when reading began may have been removed meanwhile.
    if (headers?.code === 100) return this.#catchUp(life);
    const left = Number(headers?.get('Nats-Pending-Messages') || 0);
    if (headers?.code === 408 || (headers?.code === 409 && headers.description === 'Batch Completed')) {
      this.#asked = Math.max(0, this.#asked - left);
      return this.#refill();
    }
    life.broken();
  }

  #catchUp(life: Life): void {
    if (!life.behind) return;
    life.behind = false;
    this.#enqueue('caughtUp');
  }

  #refill(): void {
    const free = this.#window - this.#asked - this.#queue.length;
    if (free > 0 && free >= this.#window / 2) this.#pull?.(free);
  }

  #enqueue(item: StreamMessage | 'caughtUp'): void {
    if (this.#stopped.signal.aborted) return;
    this.#queue.push(item);
    if (this.#active) return;
    this.#active = true;
    this.#pumping = this.#pump();
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const item = this.#queue.shift();
        if (item === undefined) return;
        if (item === 'caughtUp') this.#options.onCaughtUp?.();
        else {
          const working = this.#options.onMessage(item);
          if (working !== undefined) await working;
        }
        this.#refill();
      }
    } catch (error) {
      this.#stopped.abort();
      this.#queue.length = 0;
      if (this.#options.onError === undefined) throw error;
      this.#options.onError(error);
    } finally {
      this.#active = false;
    }
  }
}

interface Life {
  expected: number;
  heardAt: number;
  broken: () => void;
  /** Not everything that was stored when it began has come. */
  behind: boolean;
}
