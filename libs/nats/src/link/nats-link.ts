import { DownpourError } from '@downpour/contracts';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';

export type LinkStatus = 'connected' | 'disconnected' | 'closed';

export interface ServerInfo {
  server: string;
  version: string;
  maxPayloadBytes: number;
  connected: boolean;
}

/** Headers and protocol lines count against max_payload too. */
const HEADROOM_BYTES = 4096;
const CLOSE_TIMEOUT_MS = 3000;

/** The process's one connection to NATS. It reconnects for ever; everything in this library hangs on it. */
export class NatsLink {
  /** @internal Only this library speaks `@nats-io`. */
  readonly nc: NatsConnection;
  readonly #listeners = new Set<(status: LinkStatus) => void>();
  #status: LinkStatus = 'connected';
  #maxPayloadBytes: number;
  #server: string;
  #version: string;

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

  /** Sends unless there is no connection: for what may get lost. Returns whether it was sent. */
  publish(subject: string, data: Uint8Array, options?: { reply?: string; headers?: MsgHdrs }): boolean {
    if (this.#status !== 'connected') return false;
    try {
      this.nc.publish(subject, data, options);
      return true;
    } catch {
      return false;
    }
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
