import { describe, expect, it } from 'vitest';
import { abortWith } from './abort-with.ts';

describe('abortWith', () => {
  it('aborts with the signal, for its reason', () => {
    const [caller, own] = [new AbortController(), new AbortController()];
    abortWith(caller.signal, own);
    expect(own.signal.aborted).toBe(false);
    caller.abort('why');
    expect(own.signal.reason).toBe('why');
  });

  it('aborts at once with a signal that is aborted', () => {
    const own = new AbortController();
    abortWith(AbortSignal.abort('why'), own);
    expect(own.signal.reason).toBe('why');
  });

  it('does so no more once it was ended', () => {
    const [caller, own] = [new AbortController(), new AbortController()];
    abortWith(caller.signal, own)();
    caller.abort('why');
    expect(own.signal.aborted).toBe(false);
  });
});
