import { DownpourError } from '@downpour/contracts';
import { decodeFrame, encodeFrame } from '@downpour/tensor';
import type { OutgoingFrame } from '@downpour/tensor';
import { headers } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, Subscription } from '@nats-io/nats-core';
import { Server } from '@nestjs/microservices';
import type { CustomTransportStrategy, MessageHandler } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { NatsLink } from '../link/nats-link.ts';
import type { FrameHandlerOptions } from './frame-handler.ts';
import { refusalReason } from '../refusals/refusals.ts';
import { releaseReceived } from '../link/receive-slabs.ts';
import { RequestAssembler } from './request-assembler.ts';
import { Turnstile } from './turnstile.ts';
import { asRefusal, publishFrame, WORKING_HEADER } from './wire.ts';

export interface NatsStrategyOptions {
  /** Fills `{instance}` in subjects. */
  instance: string;
  /** Told of every request: for metrics. `pattern` is the subject as it was written, with `{instance}`. */
  onRequest?: (pattern: string, outcome: RequestOutcome, durationMs: number) => void;
  /** How long `close` waits for handlers at work. @default 5,000 */
  drainTimeoutMs?: number;
}

/** refused: the request was at fault, or cannot be served now; failed: we were. */
export type RequestOutcome = 'answered' | 'refused' | 'failed';

interface Route {
  pattern: string;
  subject: string;
  handler: MessageHandler;
  turnstile: Turnstile;
  queue: string | undefined;
  slices: RequestAssembler;
}

/** A request as it is answered: put together, if it came in slices. */
interface Request {
  data: Uint8Array;
  reply: string | undefined;
  subject: string;
}

const WORKING_EVERY_MS = 1000;
const DEFAULT_CONCURRENCY = 32;
const DEFAULT_MAX_WAITING = 1024;

/**
 * Nest's microservice transport for frames over core NATS, on the process's own connection. A request's frame is decoded and handed to its
 * handler; what that returns goes back as a frame, in slices where it must; errors go back as ErrorReply. While a request is
 * waiting or worked on, its caller is told so every second.
 */
export class NatsStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('NATS');
  readonly #link: NatsLink;
  readonly #options: NatsStrategyOptions;
  readonly #routes = new Map<string, Route>();
  readonly #subscriptions: Subscription[] = [];
  /** Requests not answered yet, by when they came. */
  readonly #open = new Map<Request, number>();
  #working: NodeJS.Timeout | undefined;

  constructor(link: NatsLink, options: NatsStrategyOptions) {
    super();
    this.#link = link;
    this.#options = options;
  }

  /** @throws when a subject has a handler already: the process must not boot. */
  override addHandler(
    pattern: unknown,
    handler: MessageHandler,
    _isEvent = false,
    extras: FrameHandlerOptions = {},
  ): void {
    const written = this.normalizePattern(pattern as string);
    const subject = written.replaceAll('{instance}', this.#options.instance);
    if (this.#routes.has(subject)) throw new Error(`Two handlers for ${subject}: only one may answer`);
    super.addHandler(subject, handler, false, extras);
    const { queue, concurrency = DEFAULT_CONCURRENCY, maxWaiting = DEFAULT_MAX_WAITING } = extras;
    this.#routes.set(subject, {
      pattern: written,
      subject,
      handler,
      turnstile: new Turnstile(concurrency, maxWaiting),
      queue,
      slices: new RequestAssembler(),
    });
  }

  override listen(callback: (error?: unknown) => void): void {
    try {
      for (const route of this.#routes.values()) {
        this.#subscriptions.push(
          this.#link.nc.subscribe(route.subject, {
            ...(route.queue === undefined ? {} : { queue: route.queue }),
            callback: (error, message) => (error === null ? this.#receive(route, message) : this.logger.error(error)),
          }),
        );
      }
      this.#working = setInterval(() => this.#tellWorking(), WORKING_EVERY_MS);
      this.#working.unref();
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** Takes no more requests, answers those it has. */
  override async close(): Promise<void> {
    const { drainTimeoutMs = 5000 } = this.#options;
    if (this.#link.connected)
      await Promise.race([
        Promise.allSettled(this.#subscriptions.map((subscription) => subscription.drain())),
        sleep(1000),
      ]);
    this.#subscriptions.length = 0;
    const deadline = performance.now() + drainTimeoutMs;
    while (this.#open.size > 0 && performance.now() < deadline) await sleep(5);
    clearInterval(this.#working);
  }

  override on(): void {
    throw new Error('Listen to NatsLink.onStatus instead');
  }

  override unwrap<T>(): T {
    return this.#link as T;
  }

  #receive(route: Route, message: Msg): void {
    const { reply, subject } = message;
    try {
      const data = route.slices.add(message);
      if (data !== null) this.#accept(route, { data, reply, subject });
    } catch (error) {
      this.#link.refusals.count(route.pattern, refusalReason(error));
      this.#refuse({ data: message.data, reply, subject }, error as DownpourError);
      this.#options.onRequest?.(route.pattern, 'refused', 0);
    }
  }

  #accept(route: Route, message: Request): void {
    const cameAt = performance.now();
    this.#open.set(message, cameAt);
    const accepted = route.turnstile.enter(async () => {
      const outcome = await this.#answer(route, message);
      releaseReceived(message.data);
      this.#open.delete(message);
      this.#options.onRequest?.(route.pattern, outcome, performance.now() - cameAt);
    });
    if (accepted) return;
    this.#link.refusals.count(route.pattern, 'unavailable');
    this.#open.delete(message);
    this.#refuse(
      message,
      new DownpourError('unavailable', `${route.subject} has too many requests waiting: ask again later`),
    );
    this.#options.onRequest?.(route.pattern, 'refused', performance.now() - cameAt);
  }

  async #answer(route: Route, message: Request): Promise<RequestOutcome> {
    try {
      const request = decodeFrame(message.data);
      const result = this.transformToObservable(await route.handler(request, { subject: message.subject }));
      const reply = (await lastValueFrom(result, { defaultValue: undefined })) as OutgoingFrame | undefined;
      // It is encoded when it can leave: encoded answers in a queue are memory, and are asked for again before they have left.
      const room = this.#link.roomToSend();
      if (room !== null) await room;
      if (message.reply) publishFrame(this.#link, message.reply, reply?.header ?? {}, reply?.tensors);
      return 'answered';
    } catch (error) {
      this.#link.refusals.count(route.pattern, refusalReason(error));
      const refusal = asRefusal(error);
      if (refusal === null) {
        this.logger.error(error instanceof Error ? error : new Error(String(error)), undefined, route.pattern);
        const why = error instanceof Error ? error.message : String(error);
        this.#refuse(
          message,
          new DownpourError('internal', `${route.subject} failed: ${why}; see the log of its service`),
        );
        return 'failed';
      }
      this.#refuse(message, refusal);
      return 'refused';
    }
  }

  #refuse(message: Request, error: DownpourError): void {
    if (message.reply) this.#link.publish(message.reply, encodeFrame(error.toReply()));
  }

  #tellWorking(): void {
    const before = performance.now() - WORKING_EVERY_MS / 2;
    let head: MsgHdrs | undefined;
    for (const [message, cameAt] of this.#open) {
      if (cameAt > before || !message.reply) continue;
      if (head === undefined) {
        head = headers();
        head.set(WORKING_HEADER, '1');
      }
      this.#link.publish(message.reply, new Uint8Array(0), { headers: head });
    }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
