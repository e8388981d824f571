import { describe, expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.ts';

const never = new AbortController().signal;

describe('buffer pool', () => {
  it('makes no more buffers than its capacity and hands them out again', async () => {
    const pool = new BufferPool(() => new Float32Array(4), 2);
    const first = await pool.take(never);
    await pool.take(never);
    const third = pool.take(never);
    pool.giveBack(first);
    expect(await third).toBe(first);
    expect(pool.made).toBe(2);
  });

  it('stops waiting when aborted, and the buffer goes to the next in line', async () => {
    const pool = new BufferPool(() => new Float32Array(4), 1);
    const only = await pool.take(never);
    const abort = new AbortController();
    const impatient = pool.take(abort.signal);
    const patient = pool.take(never);
    abort.abort();
    await expect(impatient).rejects.toThrow();
    pool.giveBack(only);
    expect(await patient).toBe(only);
  });
});
