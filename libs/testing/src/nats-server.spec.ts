import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNatsServer } from './nats-server.ts';
import type { NatsServer } from './nats-server.ts';

const info = (port: number): Promise<{ max_payload: number; jetstream: boolean }> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(JSON.parse(data.toString().replace(/^INFO /, '')) as { max_payload: number; jetstream: boolean });
    });
  });

describe('startNatsServer', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer({ maxPayloadBytes: 8 * 2 ** 20 });
  });
  afterAll(() => server.stop());

  it('starts a server with JetStream and the payload that was asked for', async () => {
    expect(await info(server.port)).toMatchObject({ max_payload: 8 * 2 ** 20, jetstream: true });
  });

  it('comes back on the same port after a kill', async () => {
    const { pid } = server;
    await server.kill();
    await expect(info(server.port)).rejects.toThrow(/ECONNREFUSED/);
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(await info(server.port)).toMatchObject({ jetstream: true });
  });

  it('leaves no files behind when it is stopped', async () => {
    const other = await startNatsServer();
    expect(other.port).not.toBe(server.port);
    await other.stop();
    expect(existsSync(other.storeDir)).toBe(false);
    await expect(info(other.port)).rejects.toThrow();
  });
});
