import { headers } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { NatsLink } from '../link/nats-link.ts';
import { SLICE_HEADER, WORKING_HEADER } from '../transport/wire.ts';

type Callback = (error: Error | null, message: Msg) => void;
interface LoopbackSubscription {
  pattern: RegExp;
  callback: Callback;
}
/** What NATS itself says to a request; `code`: in the header of an answer without a body. */
export interface LoopbackReply {
  subject: string;
  data: Uint8Array;
  reply?: string;
  code?: number;
}
export type LoopbackAnswer = (subject: string, data: Uint8Array) => LoopbackReply;

/** A NATS in this process: what is published is heard by whoever has subscribed, at once. For tests that need millions of messages and no server. */
export class Loopback {
  readonly link: NatsLink;
  readonly #subscriptions = new Set<LoopbackSubscription>();
  #answer: LoopbackAnswer | undefined;
  #end: () => void = () => undefined;

  constructor(maxPayloadBytes = 2 ** 20) {
    const ended = new Promise<void>((resolve) => (this.#end = resolve));
    const connection = {
      info: { max_payload: maxPayloadBytes, version: 'loopback' },
      protocol: { connected: false },
      options: { inboxPrefix: '_INBOX' },
      features: { get: () => ({ ok: true, min: '2.0.0' }), supports: () => true, require: () => undefined },
      getServer: () => 'loopback',
      // Nothing ever happens to it.
      status: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => ended.then(() => ({ done: true, value: undefined })) }),
      }),
      isClosed: () => false,
      drain: async () => this.#end(),
      close: async () => this.#end(),
      subscribe: (subject: string, { callback }: { callback: Callback }) => this.#subscribe(subject, callback),
      publish: (subject: string, data: Uint8Array | string, options: { reply?: string; headers?: MsgHdrs } = {}) =>
        this.publish(subject, typeof data === 'string' ? Buffer.from(data) : data, options),
      request: async (subject: string, data: Uint8Array | string) => this.#request(subject, Buffer.from(data)),
    };
    this.link = new NatsLink(connection as unknown as NatsConnection);
  }

  /** Who answers requests that NATS itself would. */
  onRequest(answer: LoopbackAnswer): void {
    this.#answer = answer;
  }

  publish(
    subject: string,
    data: Uint8Array,
    { reply, headers: head }: { reply?: string; headers?: MsgHdrs } = {},
  ): void {
    const message = { subject, data, reply, headers: head } as unknown as Msg;
    for (const { pattern, callback } of [...this.#subscriptions]) if (pattern.test(subject)) callback(null, message);
  }

  /** Sends bytes as a request and resolves with the bytes of the first answer. */
  ask(subject: string, data: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const subscription = this.#subscribe(`_INBOX.${subject}`, (_error, message) => {
        if (message.headers?.has(WORKING_HEADER) === true) return;
        subscription.unsubscribe();
        resolve(message.data);
      });
      this.publish(subject, data, { reply: `_INBOX.${subject}` });
    });
  }

  #subscribe(subject: string, callback: Callback): { unsubscribe(): void; drain(): Promise<void> } {
    const text = subject
      .split('.')
      .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token.replaceAll(/[$^\\()[\]{}|+?]/g, '\\$&')))
      .join('\\.');
    const subscription = { pattern: new RegExp(`^${text}$`), callback };
    this.#subscriptions.add(subscription);
    const unsubscribe = (): void => void this.#subscriptions.delete(subscription);
    return { unsubscribe, drain: async () => unsubscribe() };
  }

  #request(subject: string, data: Uint8Array): Msg {
    if (this.#answer === undefined) throw new Error(`Nobody answers ${subject}`);
    const answer = this.#answer(subject, data);
    const { code } = answer;
    return {
      ...answer,
      headers: code === undefined ? undefined : { code },
      json: () => JSON.parse(Buffer.from(answer.data).toString()) as unknown,
    } as unknown as Msg;
  }
}

/** The header of a slice, as a publisher writes it; any text may be tried. */
export const sliceHeader = (text: string): MsgHdrs => {
  const head = headers();
  head.set(SLICE_HEADER, text);
  return head;
};
