import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@downpour/testing';
import { describe, expect, it } from 'vitest';
import { ServiceProcess } from './service-process.ts';

const start = async (logFile?: string) =>
  new ServiceProcess('gateway', { NATS_URL: `nats://127.0.0.1:${await freePort()}` }, logFile);
const WITHIN_MS = 20_000;

describe('ServiceProcess', () => {
  it(
    'waits no longer for one that was killed before it had said where it listens',
    { timeout: WITHIN_MS },
    async () => {
      const killed = await start();
      const ready = expect(killed.ready()).rejects.toThrow('gateway ended (SIGKILL)');
      killed.signal('SIGKILL');
      await ready;
    },
  );

  it('waits no longer for one that was killed before it was ready', { timeout: WITHIN_MS }, async () => {
    const killed = await start();
    await killed.url();
    const ready = expect(killed.ready()).rejects.toThrow('gateway ended (SIGKILL)');
    killed.signal('SIGKILL');
    await ready;
  });

  it('knows of its end, and its log, when the folder of its log file is gone', { timeout: WITHIN_MS }, async () => {
    const service = await start(path.join(tmpdir(), `downpour-gone-${randomUUID()}`, 'gateway.log'));
    await service.url();
    service.signal('SIGKILL');
    expect(await service.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(service.log).toContain('Listening on');
  });
});
