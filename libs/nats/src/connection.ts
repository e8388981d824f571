import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection as Connection, type ConnectionOptions } from '@nats-io/transport-node';

/** How a process reaches NATS; as in ServiceConfig of libs/platform. */
export interface NatsOptions {
  servers: string[];
  /** Name at the server: the instance. */
  name: string;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  /** Copies of KV buckets and shared streams in a cluster. @default 1 */
  replicas?: number | undefined;
}

/** The part of a logger that is used here. */
export interface NatsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const RETRY_MS = 500;
/** "waiting for NATS" is said this often. */
const SAY_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const API_TIMEOUT_MS = 5_000;

/** One connection of one process, for its whole life: it reconnects for ever. */
export class NatsConnection {
  readonly nc: Connection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly options: NatsOptions;
  readonly log: NatsLog;
  #connected = true;

  private constructor(nc: Connection, jsm: JetStreamManager, options: NatsOptions, log: NatsLog) {
    this.nc = nc;
    this.jsm = jsm;
    this.js = jetstream(nc, { timeout: API_TIMEOUT_MS });
    this.options = options;
    this.log = log;
    void this.#followStatus();
  }

  /** Waits for NATS and its JetStream, and says so. Rejects when `signal` aborts, or when NATS refuses the credentials. */
  static async open(options: NatsOptions, log: NatsLog, signal?: AbortSignal): Promise<NatsConnection> {
    const settings: ConnectionOptions = {
      servers: options.servers,
      name: options.name,
      timeout: CONNECT_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RETRY_MS,
      // A frozen peer is noticed within two of these.
      pingInterval: 5_000,
      maxPingOut: 2,
      ignoreAuthErrorAbort: true,
      ...(options.user === undefined ? {} : { user: options.user, pass: options.password ?? '' }),
      ...(options.token === undefined ? {} : { token: options.token }),
    };
    let saidAt = 0;
    for (;;) {
      signal?.throwIfAborted();
      let nc: Connection | undefined;
      try {
        nc = await connect(settings);
        const jsm = await jetstreamManager(nc, { timeout: API_TIMEOUT_MS });
        log.info({ server: nc.getServer() }, 'connected to NATS');
        return new NatsConnection(nc, jsm, options, log);
      } catch (error) {
        await nc?.close();
        const reason = error instanceof Error ? error.message : String(error);
        if (/authorization|authentication/i.test(reason)) throw error;
        if (Date.now() - saidAt >= SAY_EVERY_MS) {
          saidAt = Date.now();
          log.warn(
            { servers: options.servers, reason },
            nc ? 'waiting for JetStream: start nats-server with JetStream (-js)' : 'waiting for NATS',
          );
        }
        await pause(RETRY_MS, signal);
      }
    }
  }

  get connected(): boolean {
    return this.#connected && !this.nc.isClosed();
  }

  /** Largest message the server takes, bytes. */
  get maxPayloadBytes(): number {
    return this.nc.info?.max_payload ?? 1024 * 1024;
  }

  /** For GET /v1/cluster. */
  describe(): { server: string; version: string; maxPayloadBytes: number; connected: boolean } {
    return {
      server: this.nc.getServer(),
      version: this.nc.info?.version ?? '',
      maxPayloadBytes: this.maxPayloadBytes,
      connected: this.connected,
    };
  }

  /** Lets messages under way arrive, then closes. */
  async close(): Promise<void> {
    if (this.nc.isClosed()) return;
    if (this.#connected) await this.nc.drain().catch(() => this.nc.close());
    else await this.nc.close();
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') {
        this.#connected = false;
        this.log.warn({ server: status.server }, 'lost NATS; reconnecting');
      } else if (status.type === 'reconnect') {
        this.#connected = true;
        this.log.info({ server: status.server }, 'reconnected to NATS');
      } else if (status.type === 'error') {
        this.log.error({ reason: status.error.message }, 'NATS reports an error');
      }
    }
  }
}

/** Resolves early, without rejecting, when `signal` aborts. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
