import { describe, expect, it } from 'vitest';
import { ShutdownHooks } from './shutdown.ts';

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('shutdown hooks', () => {
  it('run in the order of their phases, whatever the order of registration', async () => {
    const hooks = new ShutdownHooks();
    const seen: string[] = [];
    for (const phase of ['close', 'drain', 'stopIntake', 'leave', 'finish'] as const) {
      hooks.register(phase, phase, async () => {
        seen.push(`${phase} begins`);
        await wait(2);
        seen.push(`${phase} ends`);
      });
    }
    expect(await hooks.run(1000)).toEqual({ failed: [], unfinished: [] });
    const order = ['stopIntake', 'finish', 'leave', 'drain', 'close'];
    expect(seen).toEqual(order.flatMap((phase) => [`${phase} begins`, `${phase} ends`]));
  });

  it('run side by side within a phase', async () => {
    const hooks = new ShutdownHooks();
    const seen: string[] = [];
    hooks.register('finish', 'slow', () => wait(20).then(() => void seen.push('slow')));
    hooks.register('finish', 'fast', () => void seen.push('fast'));
    await hooks.run(1000);
    expect(seen).toEqual(['fast', 'slow']);
  });

  it('go on when one fails, and say which', async () => {
    const hooks = new ShutdownHooks();
    let closed = false;
    const error = new Error('no');
    hooks.register('leave', 'members', () => Promise.reject(error));
    hooks.register('close', 'nats', () => void (closed = true));
    expect((await hooks.run(1000)).failed).toEqual([{ hook: 'leave: members', error }]);
    expect(closed).toBe(true);
  });

  it('stop at the deadline and name what was not done', async () => {
    const hooks = new ShutdownHooks();
    let closed = false;
    hooks.register('finish', 'step', () => new Promise(() => undefined));
    hooks.register('close', 'nats', () => void (closed = true));
    expect((await hooks.run(20)).unfinished).toEqual(['finish: step']);
    expect(closed).toBe(false);
  });

  it('run once, however often they are asked', async () => {
    const hooks = new ShutdownHooks();
    let runs = 0;
    hooks.register('close', 'count', () => void runs++);
    await Promise.all([hooks.run(1000), hooks.run(1000)]);
    expect(runs).toBe(1);
    expect(hooks.begun).toBe(true);
  });

  it('may be taken away, and may be added while earlier phases run', async () => {
    const hooks = new ShutdownHooks();
    const seen: string[] = [];
    hooks.register('close', 'gone', () => void seen.push('gone'))();
    hooks.register('finish', 'adds', () => void hooks.register('leave', 'late', () => void seen.push('late')));
    await hooks.run(1000);
    expect(seen).toEqual(['late']);
  });
});
