import { DownpourError } from '@downpour/contracts';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient } from '@nats-io/jetstream';
import { headers, nanos } from '@nats-io/nats-core';
import type { Msg } from '@nats-io/nats-core';
import type { z } from 'zod';
import type { NatsLink } from '../link/nats-link.ts';
import { refusalReason } from '../refusals/refusals.ts';
import { confirmDone } from './confirm-done.ts';
import { deliveryOf } from './delivery.ts';
import { isStreamNotFound, messageOf } from './jetstream-errors.ts';
import { ensureTakers, TAKERS } from './takers.ts';
import { pause } from '../link/pause.ts';

/** A task in this process's hands. The queue is told that it is still worked on until it is done or given back. */
export interface HeldTask<Task> {
  task: Task;
  /** How often it was given out, this time included; but for those when it was given back untried. */
  delivery: number;
  /** It was given out before, be it untried: something of it may have been done already. */
  again?: boolean;
  /** Never give it out again. Resolves once the queue has confirmed. */
  done(): Promise<void>;
  /** Give it to somebody else at once. `untried`: whatever becomes of it, it was not its fault; it goes to the end of the queue and does not count. */
  giveBack(options?: { untried?: boolean }): Promise<void>;
}

export interface WorkQueueOptions<Task> {
  stream: string;
  /** In metrics: what is no task is counted under it. */
  source: string;
  /** Tasks that this queue hands out: a subject, or a pattern of subjects. */
  filter: string;
  schema: z.ZodType<Task>;
}

const TRIES_HEADER = 'Dp-Tries';
const WORKING_EVERY_MS = 3000;
/** What a reply may take beyond the wait that was asked for. */
const REPLY_GRACE_MS = 2000;

/** Takes tasks of a JetStream work-queue stream, one at a time, through a durable pull consumer that all takers share. */
export class WorkQueue<Task> {
  readonly #link: NatsLink;
  readonly #options: WorkQueueOptions<Task>;
  readonly #js: JetStreamClient;
  readonly #held = new Set<{ reply: string; timer: NodeJS.Timeout }>();
  #closed = false;
  #hasConsumer = false;

  constructor(link: NatsLink, options: WorkQueueOptions<Task>) {
    this.#link = link;
    this.#options = options;
    this.#js = jetstream(link.nc, { timeout: 5000 });
  }

  /**
   * The next task, or null when none came within `waitMs` (0 asks without waiting), or there is no connection.
   * @throws DownpourError not-found when the queue does not exist (any more)
   */
  async next(waitMs: number): Promise<HeldTask<Task> | null> {
    if (this.#closed) return null;
    if (!this.#link.connected) {
      await pause(Math.min(waitMs, 100));
      return null;
    }
    try {
      if (!this.#hasConsumer) await this.#ensureConsumer();
      const request = waitMs <= 0 ? { batch: 1, no_wait: true } : { batch: 1, expires: nanos(waitMs) };
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${TAKERS}`;
      // An inbox of its own: a task comes with the subject it was stored under, which the shared inbox would not recognise.
      const message = await this.#link.nc.request(subject, JSON.stringify(request), {
        timeout: waitMs + REPLY_GRACE_MS,
        noMux: true,
      });
      const code = message.headers?.code ?? 0;
      if (code >= 400 && message.data.byteLength === 0) {
        if (code === 404 || code === 408) return null;
        // The consumer was deleted, or its leader has moved.
        this.#hasConsumer = false;
        return null;
      }
      const task = this.#hold(message);
      // The next one may well be a task: nonsense must not look like an empty queue.
      if (task === 'no-task') return await this.next(waitMs);
      if (this.#closed) await task?.giveBack();
      return this.#closed ? null : task;
    } catch (error) {
      this.#hasConsumer = false;
      if (isStreamNotFound(error))
        throw new DownpourError('not-found', `There is no queue ${this.#options.stream} (any more)`, { cause: error });
      if (error instanceof DownpourError) throw error;
      await pause(Math.min(waitMs, 100));
      return null;
    }
  }

  /** Adds tasks, each once within the stream's window of duplicates. Resolves when all are stored. */
  async enqueue(tasks: readonly { id: string; subject: string; task: Task }[]): Promise<void> {
    const BATCH = 256;
    for (let begin = 0; begin < tasks.length; begin += BATCH) {
      await Promise.all(
        tasks.slice(begin, begin + BATCH).map(async ({ id, subject, task }) => {
          const bytes = JSON.stringify(task);
          try {
            await this.#js.publish(subject, bytes, { msgID: id, retries: 3 });
          } catch (cause) {
            throw new DownpourError('unavailable', `${this.#options.stream} did not take a task: ${messageOf(cause)}`, {
              cause,
            });
          }
        }),
      );
    }
  }

  /** Tasks not confirmed as done: waiting, and in somebody's hands. @throws DownpourError not-found */
  async pending(): Promise<number> {
    try {
      const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
      return (await jsm.streams.info(this.#options.stream)).state.messages;
    } catch (cause) {
      if (isStreamNotFound(cause))
        throw new DownpourError('not-found', `There is no queue ${this.#options.stream} (any more)`, { cause });
      throw new DownpourError('unavailable', `NATS did not say how long queue ${this.#options.stream} is`, { cause });
    }
  }

  /** Forgets what is queued, all of it or one subject. */
  async purge(subject?: string): Promise<void> {
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    await jsm.streams
      .purge(this.#options.stream, subject === undefined ? undefined : { filter: subject })
      .catch((error: unknown) => {
        if (!isStreamNotFound(error)) throw error;
      });
  }

  /** Takes nothing more. Tasks in hand may still be done or given back. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #ensureConsumer(): Promise<void> {
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false, timeout: REPLY_GRACE_MS });
    await ensureTakers(jsm, this.#options.stream, this.#options.filter);
    this.#hasConsumer = true;
  }

  #hold(message: Msg): HeldTask<Task> | 'no-task' | null {
    const reply = message.reply ?? '';
    const delivery = deliveryOf(reply);
    if (delivery === null) return null;
    const { stream } = this.#options;
    const tries = delivery.deliveries - 1 + triesOf(message);
    let task: Task;
    try {
      task = this.#options.schema.parse(message.json());
    } catch (error) {
      // Nobody can do it: it must not come again.
      this.#link.refusals.count(this.#options.source, refusalReason(error));
      this.#link.publish(reply, Buffer.from('+TERM not a task'));
      return 'no-task';
    }
    const holding = {
      reply,
      timer: setInterval(() => this.#link.publish(reply, Buffer.from('+WPI')), WORKING_EVERY_MS),
    };
    this.#held.add(holding);
    const letGo = (): void => {
      clearInterval(holding.timer);
      this.#held.delete(holding);
    };
    return {
      task,
      delivery: tries + 1,
      again: delivery.deliveries > 1 || message.headers?.has(TRIES_HEADER) === true,
      done: async () => {
        try {
          await confirmDone(this.#link, { stream, reply, sequence: delivery.streamSequence, data: message.data });
        } finally {
          letGo();
        }
      },
      giveBack: async ({ untried = false } = {}) => {
        letGo();
        // NATS counts every delivery of a message, so it becomes another message. Should both stay, the ledger drops what is done twice.
        if (untried && (await this.#enqueueAgain(message, tries)))
          return void this.#link.publish(reply, Buffer.from('+ACK'));
        // Lost, it costs ACK_WAIT_MS, no more.
        this.#link.publish(reply, Buffer.from('-NAK'));
      },
    };
  }

  async #enqueueAgain(message: Msg, tries: number): Promise<boolean> {
    if (!this.#link.connected) return false;
    try {
      const head = headers();
      head.set(TRIES_HEADER, String(tries));
      await this.#js.publish(message.subject, message.data, { headers: head, timeout: REPLY_GRACE_MS, retries: 0 });
      return true;
    } catch {
      // Full, or its job has ended: then it does not matter.
      return false;
    }
  }
}

/** Deliveries of a task before it became this message. */
const triesOf = (message: Msg): number => {
  const tries = Number(message.headers?.get(TRIES_HEADER) || 0);
  return Number.isSafeInteger(tries) && tries > 0 ? tries : 0;
};
