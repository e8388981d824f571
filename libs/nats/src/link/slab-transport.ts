import type { ServerInfo } from '@nats-io/nats-core';
import { setTransportFactory, NatsConnectionImpl } from '@nats-io/nats-core/internal';
import type { ConnectionOptions, NatsConnection } from '@nats-io/nats-core';
// The package's entry exports `connect` alone.
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ReceiveSlabs } from './receive-slabs.ts';

/**
 * The client library's own transport for Node, but a plain connection is read into slabs (receive-slabs.ts): a message of 400 KB is one piece
 * of memory that is used again, where the library makes a buffer of each 64 KiB and joins them, twice the message in garbage. An encrypted
 * connection is read as the library does.
 */
export class SlabTransport extends NodeTransport {
  #slabs = new ReceiveSlabs();
  #onPiece: (piece: Uint8Array) => void = (piece) => this.yields.push(piece);

  override async dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({
        host: hostname,
        port,
        noDelay: true,
        onread: {
          buffer: () => this.#slabs.room(),
          callback: (count) => {
            this.#slabs.received(count, this.#onPiece);
            return true;
          },
        },
      });
      let failure: Error = new Error('the connection was closed');
      socket.once('error', (error) => (failure = error));
      socket.once('close', () => reject(failure));
      socket.once('connect', () => {
        socket.removeAllListeners();
        resolve(socket);
      });
    });
  }

  /** The server speaks first: `INFO {...}`. */
  override async peekInfo(): Promise<ServerInfo> {
    // An encrypted connection from the first byte on was not dialled here.
    if (this.socket instanceof TLSSocket) return super.peekInfo();
    const { socket } = this;
    try {
      return await new Promise((resolve, reject) => {
        let failure: Error = new Error('the server closed the connection before it said who it is');
        socket.once('error', (error) => (failure = error));
        socket.once('close', () => reject(failure));
        const take = (piece: Uint8Array): void => {
          this.yields.push(piece);
          const said = /^INFO\s+(\{.*\})/.exec(Buffer.from(piece).toString());
          if (said === null) return reject(new Error('This is no NATS server: it does not begin with INFO'));
          this.#onPiece = (next) => this.yields.push(next);
          try {
            resolve(JSON.parse(said[1]!) as ServerInfo);
          } catch (error) {
            reject(error as Error);
          }
        };
        if (this.yields.length > 0) take(this.yields.shift()!);
        else this.#onPiece = take;
      });
    } finally {
      socket.removeAllListeners();
    }
  }

  override setupHandlers(): void {
    super.setupHandlers();
    this.#onPiece = (piece) => {
      this.yields.push(piece);
      this.signal.resolve();
    };
  }

  /** Sends parts as they are, without joining them first; `onSent` is called when their memory is not needed any more. */
  sendParts(parts: readonly Uint8Array[], onSent: () => void): void {
    const { socket } = this;
    if (this.isClosed || socket === undefined) return onSent();
    socket.cork();
    for (const [index, part] of parts.entries()) socket.write(part, index === parts.length - 1 ? onSent : undefined);
    socket.uncork();
  }
}

/** As the `connect` of transport-node, over SlabTransport. */
export const connectOverSlabs = (options: ConnectionOptions): Promise<NatsConnection> => {
  setTransportFactory({
    factory: () => new SlabTransport() as unknown as NodeTransport,
    dnsResolveFn: nodeResolveHost,
  });
  return NatsConnectionImpl.connect(options);
};

/** Publishes at once, before what the connection has still in its own buffer was sent after it. Returns false when there is no connection. */
export const publishParts = (
  connection: NatsConnection,
  line: string,
  parts: readonly Uint8Array[],
  onSent: () => void,
): boolean => {
  const { protocol } = connection as unknown as {
    protocol: { connected: boolean; flushPending(): void; transport: unknown };
  };
  if (!protocol.connected || !(protocol.transport instanceof SlabTransport)) return false;
  protocol.flushPending();
  protocol.transport.sendParts([Buffer.from(line), ...parts, END_OF_LINE], onSent);
  return true;
};

const END_OF_LINE = Buffer.from('\r\n');
