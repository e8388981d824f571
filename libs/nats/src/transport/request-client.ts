import { DownpourError } from '@downpour/contracts';
import { decodeFrame, encodeFrame, parseSliceHead, SliceAssembler, sliceFrame } from '@downpour/tensor';
import type { OutgoingTensor, TensorFrame } from '@downpour/tensor';
import { createInbox } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, Subscription } from '@nats-io/nats-core';
import type { z } from 'zod';
import type { FramePool } from '../link/frame-pool.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { LARGE_BYTES, releaseReceived, takeAssembled } from '../link/receive-slabs.ts';
import { refusalReason } from '../refusals/refusals.ts';
import { errorOfReply, newMessageId, SLICE_HEADER, sliceHeaders, WORKING_HEADER } from './wire.ts';

export interface RequestOptions<Header> {
  /** Longest silence: every slice that comes or goes and every "still at it" (sent each second by a handler at work) starts it anew. @default 10,000 */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Checks the reply's header. */
  reply?: z.ZodType<Header>;
  /** Checks the whole reply, after its header; throws what the caller is to be told. */
  check?: (reply: TensorFrame<Header>) => void;
  /** A request beyond max_payload goes in slices: only to a subject that one process alone listens to. @default false */
  slices?: boolean;
}

export interface ExchangeOptions {
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  headers?: MsgHdrs | undefined;
  onSent?: () => void;
}

interface Waiting {
  subject: string;
  settle(outcome: Uint8Array | Error): void;
  assembler: SliceAssembler | null;
  timer: NodeJS.Timeout;
  /** Slices that have not left this process. */
  unsent: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** Core request/reply: all replies of this process come to one inbox. */
export class RequestClient {
  readonly #link: NatsLink;
  readonly #inbox = createInbox();
  readonly #waiting = new Map<string, Waiting>();
  readonly #offStatus: () => void;
  #subscription: Subscription | undefined;
  #serial = 0;

  constructor(link: NatsLink) {
    this.#link = link;
    this.#offStatus = link.onStatus((status) => {
      if (status === 'connected') return;
      // Replies sent meanwhile are lost: whoever waits should ask again.
      for (const { subject, settle } of [...this.#waiting.values()]) settle(lost(subject));
    });
  }

  /** Memory for the frames that are sent. */
  get frames(): FramePool {
    return this.#link.frames;
  }

  /**
   * Sends one request and resolves with the reply, slices put together. The reply's tensors are views of the receive buffer (one slice)
   * or of one assembled buffer (one copy): `releaseReceived` says that they have been read.
   * @throws DownpourError with the code of the error reply; `unavailable` when nobody listens or the connection is lost,
   *   `timeout` after silence, `too-large` when the request exceeds the server's max_payload; the signal's reason.
   */
  async request<Header = unknown>(
    subject: string,
    header: unknown,
    tensors?: Record<string, OutgoingTensor>,
    options: RequestOptions<Header> = {},
  ): Promise<TensorFrame<Header>> {
    options.signal?.throwIfAborted();
    return this.send(subject, encodeFrame(header, tensors), options);
  }

  /** `request` with a frame that is encoded already; it is read until the promise settles. @throws as `request` */
  async send<Header = unknown>(
    subject: string,
    frame: Uint8Array,
    options: RequestOptions<Header> = {},
  ): Promise<TensorFrame<Header>> {
    options.signal?.throwIfAborted();
    if (frame.byteLength > this.#link.maxSliceBytes && options.slices !== true)
      throw new DownpourError(
        'too-large',
        `A request of ${frame.byteLength} bytes exceeds NATS's max_payload of ${this.#link.maxPayloadBytes}: raise it, or send less`,
      );
    const bytes = await this.exchange(subject, frame, options);
    const reply = this.#decode(bytes);
    const error = errorOfReply(reply.header);
    if (error !== null) throw error;
    if (options.reply === undefined) return reply as TensorFrame<Header>;
    const parsed = options.reply.safeParse(reply.header);
    if (!parsed.success) {
      this.#link.refusals.count('replies', 'wrong-fields');
      throw new DownpourError(
        'internal',
        `The reply to ${subject} is malformed: do all services run the same version?`,
        {
          cause: parsed.error,
        },
      );
    }
    const checked = { header: parsed.data, tensors: reply.tensors };
    try {
      options.check?.(checked);
    } catch (error) {
      this.#link.refusals.count('replies', 'wrong-fields');
      throw error;
    }
    return checked;
  }

  close(): void {
    this.#offStatus();
    this.#subscription?.unsubscribe();
    for (const { subject, settle } of [...this.#waiting.values()]) settle(lost(subject));
  }

  /**
   * Sends bytes and resolves with the bytes of the answer: for what is answered by NATS itself. `onSent` is called when the memory of `data` is
   * not needed any more. @throws as `request`
   */
  exchange(
    subject: string,
    data: Uint8Array,
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal, headers, onSent }: ExchangeOptions = {},
  ): Promise<Uint8Array> {
    this.#subscription ??= this.#link.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#onReply(message);
      },
    });
    const token = (this.#serial++).toString(36);
    return new Promise((resolve, reject) => {
      const settle = (outcome: Uint8Array | Error): void => {
        if (!this.#waiting.delete(token)) return;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const onAbort = (): void => settle(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      const timer = setTimeout(
        () => settle(new DownpourError('timeout', `No answer to ${subject} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      const reply = `${this.#inbox}.${token}`;
      const slices = sliceFrame(data, this.#link.maxSliceBytes);
      const waiting: Waiting = { subject, settle, assembler: null, timer, unsent: slices.length };
      this.#waiting.set(token, waiting);
      const id = slices.length > 1 ? newMessageId() : '';
      slices.forEach((slice, index) => {
        const head = slices.length > 1 ? sliceHeaders(id, index, slices.length, data.byteLength) : headers;
        const sent = this.#link.publish(subject, slice, {
          reply,
          ...(head && { headers: head }),
          onSent: () => {
            waiting.unsent -= 1;
            if (slice.byteLength >= LARGE_BYTES) this.#onOutput(waiting);
            onSent?.();
          },
        });
        if (!sent) settle(lost(subject));
      });
    });
  }

  /** A slice of `sent` is out. Nobody can answer what waits in line behind it, so that is no silence. */
  #onOutput(sent: Waiting): void {
    for (const waiting of this.#waiting.values()) if (waiting === sent || waiting.unsent > 0) waiting.timer.refresh();
  }

  #decode(bytes: Uint8Array): TensorFrame {
    try {
      return decodeFrame(bytes);
    } catch (error) {
      this.#link.refusals.count('replies', refusalReason(error));
      throw error;
    }
  }

  #onReply(message: Msg): void {
    const waiting = this.#waiting.get(message.subject.slice(this.#inbox.length + 1));
    if (waiting === undefined) return;
    const { headers, data } = message;
    if (headers === undefined) return waiting.settle(data);
    if (headers.code === 503 && data.byteLength === 0) return waiting.settle(noResponders(waiting.subject));
    waiting.timer.refresh();
    if (headers.has(WORKING_HEADER)) return;
    const head = headers.get(SLICE_HEADER);
    if (head === '') return waiting.settle(data);
    try {
      waiting.assembler ??= new SliceAssembler({ allocate: takeAssembled });
      const whole = waiting.assembler.add({ ...parseSliceHead(head), data });
      if (whole !== data) releaseReceived(data);
      if (whole !== null) waiting.settle(whole);
    } catch (error) {
      this.#link.refusals.count('replies', refusalReason(error));
      waiting.settle(error as Error);
    }
  }
}

const lost = (subject: string): DownpourError =>
  new DownpourError('unavailable', `The connection to NATS was lost before ${subject} was answered`);

const noResponders = (subject: string): DownpourError => {
  const [, service, instance] = subject.split('.');
  const who =
    service === 'sharder'
      ? 'no data-sharder is running: start one'
      : service === 'worker'
        ? 'no worker is running: start one'
        : service === 'shard'
          ? `parameter-shard ${instance ?? ''} is not there (any more)`
          : 'nobody listens';
  return new DownpourError('unavailable', `${subject} was not answered: ${who}`);
};
