import { describe, expect, it } from 'vitest';
import { FlowWindow } from './flow-window.ts';

const never = new AbortController().signal;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('FlowWindow', () => {
  it('lets in as much as fits, in order', async () => {
    const window = new FlowWindow(10);
    const log: string[] = [];
    const enter = (name: string, amount: number) =>
      window.enter(amount, never).then((leave) => (log.push(name), leave));
    const a = await enter('a', 6);
    const b = enter('b', 5);
    const c = enter('c', 1);
    await turn();
    // c would fit, but b was first.
    expect(log).toEqual(['a']);
    a();
    a();
    await Promise.all([b, c]);
    expect(log).toEqual(['a', 'b', 'c']);
    expect(window.used).toBe(6);
  });

  it('lets in alone what is larger than itself', async () => {
    const window = new FlowWindow(10);
    const leave = await window.enter(100, never);
    let entered = false;
    const next = window.enter(1, never).then((leaveNext) => ((entered = true), leaveNext));
    await turn();
    expect(entered).toBe(false);
    leave();
    (await next)();
    expect(window.used).toBe(0);
  });

  it('forgets who gives up, and goes on with the next', async () => {
    const window = new FlowWindow(10);
    const leave = await window.enter(8, never);
    const abort = new AbortController();
    const patient = window.enter(9, abort.signal);
    const next = window.enter(2, never);
    abort.abort(new Error('given up'));
    await expect(patient).rejects.toThrow('given up');
    (await next)();
    leave();
    expect(window.used).toBe(0);
  });
});
