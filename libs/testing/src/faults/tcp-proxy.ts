import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { LinkedSockets } from './linked-sockets.ts';
import type { MakeByteFilter } from './linked-sockets.ts';

export interface TcpProxyOptions {
  /** Where the bytes go: the port of a nats-server, say. */
  targetPort: number;
  /** @default 127.0.0.1 */
  targetHost?: string;
  /** @default a free one */
  port?: number;
  /** Changes what clients send: called with the number of each connection, from 0. */
  toTarget?: (connection: number) => MakeByteFilter;
}

/** Which way bytes go: from the one who connected to the target, back, or both. */
export type ProxyDirection = 'toTarget' | 'toClient' | 'both';

/**
 * A process's way to a server, which a test can disturb. It tells apart what the two ends of a broken network see:
 * `stall` is a partition (no bytes, no error, connections look alive), `cut` a reset (both ends are told).
 *
 * Servers of a NATS cluster tell clients each other's addresses, and clients would walk around a proxy: start them with
 * `no_advertise: true`.
 */
export interface TcpProxy {
  readonly port: number;
  /** `nats://` and the proxy's address. */
  readonly url: string;
  /** Pairs of sockets that are open. */
  readonly connections: number;
  /** Bytes that it has passed on, both ways together. */
  readonly passedBytes: number;
  /** Passes bytes again, without delay; what was held by `stall` goes out first, and in order. */
  pass(): void;
  /** Stops passing bytes, as a partition does. New connections are taken and hear nothing. */
  stall(direction?: ProxyDirection): void;
  /** Resets all connections and each new one, until `pass`. */
  cut(): void;
  /** Resets the connections of now; new ones pass. */
  reset(): void;
  /** Passes every run of bytes `delayMs` later, in order, both ways. */
  delay(delayMs: number): void;
  stop(): Promise<void>;
}

/** Starts a proxy on the loopback interface. */
export const startTcpProxy = async (options: TcpProxyOptions): Promise<TcpProxy> => {
  const links = new Set<LinkedSockets>();
  let refusing = false;
  let stalled: ReadonlySet<'toTarget' | 'toClient'> = new Set();
  let delayMs = 0;
  let passedBytes = 0;
  let connections = 0;

  const openTarget = (): Socket => connect(options.targetPort, options.targetHost ?? '127.0.0.1');
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => undefined);
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const link = new LinkedSockets(
      client,
      openTarget,
      (bytes) => (passedBytes += bytes),
      options.toTarget?.(connections++),
    );
    links.add(link);
    link.onClosed = () => links.delete(link);
    link.behave({ stalled, delayMs });
  });
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;

  const behave = (): void => {
    for (const link of links) link.behave({ stalled, delayMs });
  };
  const reset = (): void => {
    for (const link of [...links]) link.reset();
  };
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    get connections() {
      return links.size;
    },
    get passedBytes() {
      return passedBytes;
    },
    pass: () => {
      refusing = false;
      stalled = new Set();
      delayMs = 0;
      behave();
    },
    stall: (direction = 'both') => {
      refusing = false;
      stalled = new Set(direction === 'both' ? ['toTarget', 'toClient'] : [direction]);
      behave();
    },
    cut: () => {
      refusing = true;
      reset();
    },
    reset,
    delay: (ms) => {
      refusing = false;
      stalled = new Set();
      delayMs = ms;
      behave();
    },
    stop: () => {
      refusing = true;
      reset();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
};

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
