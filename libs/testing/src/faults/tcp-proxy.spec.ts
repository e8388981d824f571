import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../until.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** Long enough for bytes on the loopback interface to have arrived, if they were on their way. */
const SETTLED_MS = 60;

describe('startTcpProxy', () => {
  let echo: Server;
  let proxy: TcpProxy;
  let heard: string;
  let taken: Socket[];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    taken = [];
    heard = '';
    echo = createServer((socket) => {
      taken.push(socket);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await startTcpProxy({ targetPort: (echo.address() as AddressInfo).port });
  });
  afterEach(async () => {
    for (const socket of [...sockets.splice(0), ...taken]) socket.destroy();
    await proxy.stop();
    echo.close();
  });

  const knock = (): Socket => {
    const socket = connect(proxy.port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => (heard += bytes.toString()));
    return socket;
  };
  const dial = async (): Promise<Socket> => {
    const socket = knock();
    await once(socket, 'connect');
    return socket;
  };
  const heardAll = (text: string) => until(`"${text}"`, () => heard === text);

  it('passes bytes both ways and counts them', async () => {
    (await dial()).write('hello');
    await heardAll('hello');
    expect(proxy.passedBytes).toBe(10);
    expect(proxy.connections).toBe(1);
  });

  it('holds bytes while it stalls, keeps both ends connected, and passes all of them in order afterwards', async () => {
    const socket = await dial();
    socket.write('a');
    await heardAll('a');
    proxy.stall();
    for (const letter of 'bcd') socket.write(letter);
    await sleep(SETTLED_MS);
    expect(heard).toBe('a');
    expect(socket.closed).toBe(false);
    expect(taken[0]?.closed).toBe(false);
    proxy.pass();
    await heardAll('abcd');
  });

  it('stalls one way only when it is told to', async () => {
    const socket = await dial();
    socket.write('a');
    await heardAll('a');
    let arrived = '';
    taken[0]?.on('data', (bytes: Buffer) => (arrived += bytes.toString()));
    proxy.stall('toClient');
    socket.write('b');
    await until('the target to hear', () => arrived === 'b');
    await sleep(SETTLED_MS);
    expect(heard).toBe('a');
    proxy.pass();
    await heardAll('ab');
  });

  it('hides from the target that a client behind a partition has gone, and that a new one has come', async () => {
    const socket = await dial();
    socket.write('a');
    await heardAll('a');
    proxy.stall();
    socket.destroy();
    await dial();
    await sleep(SETTLED_MS);
    expect(taken).toHaveLength(1);
    expect(taken[0]?.closed).toBe(false);
    proxy.pass();
    await until('the target to see the first go', () => taken[0]?.closed);
    await until('the target to see the second come', () => taken.length === 2);
  });

  it('resets all connections when it cuts, and new ones until it passes again', async () => {
    const socket = await dial();
    socket.write('a');
    await heardAll('a');
    proxy.cut();
    await until('both ends to see it', () => socket.closed && taken[0]?.closed);
    const refused = knock();
    await until('the new one to be closed', () => refused.closed);
    expect(taken).toHaveLength(1);
    proxy.pass();
    (await dial()).write('b');
    await heardAll('ab');
  });

  it('passes every run of bytes later, in order, when it delays', async () => {
    proxy.delay(80);
    const socket = await dial();
    const startedAt = Date.now();
    socket.write('x');
    await sleep(10);
    socket.write('y');
    await heardAll('xy');
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(160);
  });

  it('closes one end when the other closes', async () => {
    const socket = await dial();
    socket.write('a');
    await heardAll('a');
    taken[0]?.end();
    await until('the client to be closed', () => socket.closed);
    expect(proxy.connections).toBe(0);
  });
});
