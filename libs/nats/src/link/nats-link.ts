import { DownpourError } from '@downpour/contracts';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { FramePool } from './frame-pool.ts';
import { Refusals } from '../refusals/refusals.ts';
import { LARGE_BYTES } from './receive-slabs.ts';
import { publishParts } from './slab-transport.ts';

export type LinkStatus = 'connected' | 'disconnected' | 'closed';

export interface PublishOptions {
  reply?: string;
  headers?: MsgHdrs;
  onSent?: () => void;
}

export interface ServerInfo {
  server: string;
  version: string;
  maxPayloadBytes: number;
  connected: boolean;
  clustered: boolean;
}

/** Headers and protocol lines count against max_payload too. */
const HEADROOM_BYTES = 4096;
const CLOSE_TIMEOUT_MS = 3000;
/** Of large messages on their way out: what is small and comes after them (a sign of life, a refusal) waits for no more than this. */
const MOST_UNSENT_BYTES = 16 * 2 ** 20;

/** The process's one connection to NATS. It reconnects for ever; everything in this library hangs on it. */
export class NatsLink {
  /** @internal Only this library speaks `@nats-io`. */
  readonly nc: NatsConnection;
  /** For the frames that this process sends. */
  readonly frames = new FramePool();
  /** Messages that this process did not take. */
  readonly refusals = new Refusals();
  readonly #listeners = new Set<(status: LinkStatus) => void>();
  #status: LinkStatus = 'connected';
  #maxPayloadBytes: number;
  #server: string;
  #version: string;
  #unsentBytes = 0;
  readonly #waitingForRoom: (() => void)[] = [];

  constructor(nc: NatsConnection) {
    this.nc = nc;
    this.#maxPayloadBytes = nc.info?.max_payload ?? 2 ** 20;
    this.#server = nc.getServer();
    this.#version = nc.info?.version ?? 'unknown';
    void this.#follow();
  }

  get connected(): boolean {
    return this.#status === 'connected';
  }

  get closed(): boolean {
    return this.#status === 'closed';
  }

  /** The server is one of several. */
  get clustered(): boolean {
    return this.nc.info?.cluster !== undefined;
  }

  /** What the server advertised last. */
  get maxPayloadBytes(): number {
    return this.#maxPayloadBytes;
  }

  /** Largest slice that is sent: a multiple of 8, so that slices keep the alignment of what they are cut from. */
  get maxSliceBytes(): number {
    return Math.floor((this.#maxPayloadBytes - HEADROOM_BYTES) / 8) * 8;
  }

  serverInfo(): ServerInfo {
    return {
      server: this.#server,
      version: this.#version,
      maxPayloadBytes: this.#maxPayloadBytes,
      connected: this.connected,
      clustered: this.clustered,
    };
  }

  /** Calls back at every change of status. Returns a function that ends it. */
  onStatus(listener: (status: LinkStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once there is a connection. @throws the signal's reason; DownpourError unavailable when the link is closed. */
  async whenConnected(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#status === 'connected') return;
    if (this.#status === 'closed') throw closedError();
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        if (this.#status === 'disconnected' && signal?.aborted !== true) return;
        off();
        signal?.removeEventListener('abort', settle);
        if (signal?.aborted === true) reject(signal.reason as Error);
        else if (this.#status === 'closed') reject(closedError());
        else resolve();
      };
      const off = this.onStatus(settle);
      signal?.addEventListener('abort', settle);
    });
  }

  /**
   * Sends unless there is no connection: for what may get lost. Returns whether it was sent. `onSent` is called, in any case, when the memory
   * of `data` is not needed any more; a large message is sent from where it is.
   */
  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): boolean {
    const { onSent = () => undefined, reply, headers } = options;
    if (this.#status === 'connected') {
      if (data.byteLength >= LARGE_BYTES && this.#publishInPlace(subject, data, { reply, headers, onSent }))
        return true;
      try {
        this.nc.publish(subject, data, options);
        // The library joins what it sends into a buffer of its own, a microtask from now.
        setImmediate(onSent);
        return true;
      } catch {
        // It was closed meanwhile.
      }
    }
    onSent();
    return false;
  }

  /** Before something large is encoded and published, at once: waits in line while much of what was published before has not left yet. Null: there is room. */
  roomToSend(): Promise<void> | null {
    if (this.#unsentBytes < MOST_UNSENT_BYTES && this.#waitingForRoom.length === 0) return null;
    return new Promise((resolve) => this.#waitingForRoom.push(resolve));
  }

  /** One at a time: what it publishes counts before the next is asked. */
  #admit(): void {
    if (this.#unsentBytes >= MOST_UNSENT_BYTES) return;
    const enter = this.#waitingForRoom.shift();
    if (enter === undefined) return;
    enter();
    setImmediate(() => this.#admit());
  }

  #publishInPlace(
    subject: string,
    data: Uint8Array,
    { reply, headers, onSent }: { reply: string | undefined; headers: MsgHdrs | undefined; onSent: () => void },
  ): boolean {
    const to = reply === undefined ? subject : `${subject} ${reply}`;
    const head = (headers as (MsgHdrs & { encode(): Uint8Array }) | undefined)?.encode();
    const line =
      head === undefined
        ? `PUB ${to} ${data.byteLength}\r\n`
        : `HPUB ${to} ${head.byteLength} ${head.byteLength + data.byteLength}\r\n`;
    const sent = publishParts(this.nc, line, head === undefined ? [data] : [head, data], () => {
      this.#unsentBytes -= data.byteLength;
      onSent();
      this.#admit();
    });
    if (sent) this.#unsentBytes += data.byteLength;
    return sent;
  }

  /** Lets messages under way arrive, then closes. */
  async close(): Promise<void> {
    if (this.nc.isClosed()) return;
    if (this.connected) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)));
      await Promise.race([this.nc.drain().catch(() => undefined), late]);
      clearTimeout(timer);
    }
    if (!this.nc.isClosed()) await this.nc.close().catch(() => undefined);
    this.#set('closed');
  }

  async #follow(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') this.#set('disconnected');
      if (status.type === 'reconnect') {
        this.#maxPayloadBytes = this.nc.info?.max_payload ?? this.#maxPayloadBytes;
        this.#version = this.nc.info?.version ?? this.#version;
        this.#server = this.nc.getServer();
        this.#set('connected');
      }
    }
    this.#set('closed');
  }

  #set(status: LinkStatus): void {
    if (this.#status === status || this.#status === 'closed') return;
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}

const closedError = (): DownpourError => new DownpourError('unavailable', 'The connection to NATS is closed');
