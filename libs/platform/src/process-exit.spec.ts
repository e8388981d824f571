import { EventEmitter } from 'node:events';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig, serviceConfigSchema } from './config.ts';
import { createLog } from './log.ts';
import { exitOnSignals } from './process-exit.ts';
import type { ExitingProcess } from './process-exit.ts';
import { ReadinessRegistry } from './readiness.ts';
import { ShutdownHooks } from './shutdown.ts';

const start = () => {
  const shutdown = new ShutdownHooks();
  const exits: number[] = [];
  const self = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code), exitCode: undefined });
  const context = {
    role: 'worker' as const,
    instance: 'worker-000000',
    startedAt: '',
    config: loadConfig(serviceConfigSchema('worker'), { SHUTDOWN_TIMEOUT_MS: '5000' }),
    log: createLog({ level: 'silent', format: 'json', instance: 'worker-000000', role: 'worker' }),
    readiness: new ReadinessRegistry(),
    shutdown,
    metrics: new Registry(),
    fail: () => undefined,
  };
  exitOnSignals(context, self as unknown as ExitingProcess);
  return { shutdown, exits, self };
};

describe('a process that is told to stop', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it.each(['SIGTERM', 'SIGINT'])('finishes what it has in hand on %s and exits with 0', async (signal) => {
    const { shutdown, exits, self } = start();
    let finished = false;
    shutdown.register('finish', 'step', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      finished = true;
    });
    self.emit(signal, signal);
    await vi.advanceTimersByTimeAsync(999);
    expect(exits).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(finished).toBe(true);
    expect(exits).toEqual([0]);
  });

  it('exits with 1 when that takes too long', async () => {
    const { shutdown, exits, self } = start();
    shutdown.register('finish', 'step', () => new Promise(() => undefined));
    self.emit('SIGTERM', 'SIGTERM');
    await vi.advanceTimersByTimeAsync(5001);
    expect(exits).toEqual([1]);
  });

  it('takes Ctrl-C and a launcher that asks right after for one wish, and a later signal for impatience', async () => {
    const { shutdown, exits, self } = start();
    shutdown.register('finish', 'step', () => new Promise(() => undefined));
    self.emit('SIGINT', 'SIGINT');
    await vi.advanceTimersByTimeAsync(100);
    self.emit('SIGTERM', 'SIGTERM');
    expect(exits).toEqual([]);
    await vi.advanceTimersByTimeAsync(1500);
    self.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });

  it('exits with 1 on a rejection that nobody caught', () => {
    const { exits, self } = start();
    self.emit('unhandledRejection', new Error('lost'));
    expect(exits).toEqual([1]);
  });
});
