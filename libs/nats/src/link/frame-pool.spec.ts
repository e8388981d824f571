import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FramePool } from './frame-pool.ts';

const KB = 1024;

describe('frame pool', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('gives the same memory again for a frame of about the size', () => {
    const pool = new FramePool();
    const first = pool.take(100 * KB);
    pool.giveBack(first);
    expect(pool.take(100 * KB - 10).buffer).toBe(first.buffer);
    expect(pool.take(100 * KB).buffer).not.toBe(first.buffer);
  });

  it('keeps no more than it may, and nothing small', () => {
    const pool = new FramePool(250 * KB);
    for (const frame of [100, 100, 100, 1].map((size) => pool.take(size * KB))) pool.giveBack(frame);
    expect(pool.idleBytes).toBe(200 * KB);
  });

  it('forgets sizes that nobody asks for any more, so that others have room', () => {
    const pool = new FramePool(250 * KB);
    for (const frame of [pool.take(100 * KB), pool.take(100 * KB)]) pool.giveBack(frame);
    for (let round = 0; round < 3; round++) {
      pool.giveBack(pool.take(60 * KB));
      vi.advanceTimersByTime(2000);
    }
    expect(pool.idleBytes).toBe(60 * KB);
    vi.advanceTimersByTime(4000);
    expect(pool.idleBytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
