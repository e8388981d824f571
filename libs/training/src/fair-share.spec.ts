import { describe, expect, it } from 'vitest';
import { FairShare } from './fair-share.ts';

/** Serves `chunks` chunks one after another, each of the most deserving job; chunks of a job cost what `costMs` says. */
function serve(share: FairShare, jobs: string[], costMs: Record<string, number>, chunks: number) {
  const served: Record<string, number> = {};
  for (let i = 0; i < chunks; i++) {
    const jobId = share.order(jobs)[0]!;
    share.begin(jobId)(costMs[jobId]!);
    served[jobId] = (served[jobId] ?? 0) + costMs[jobId]!;
  }
  return served;
}

describe('fair share', () => {
  it('gives jobs equal time, not equal chunks', () => {
    const served = serve(new FairShare(), ['small', 'large'], { small: 10, large: 100 }, 220);
    expect(Math.abs(served['small']! - served['large']!)).toBeLessThanOrEqual(100);
  });

  it('lets a new job start at the current minimum', () => {
    const share = new FairShare();
    serve(share, ['old'], { old: 10 }, 50);
    const served = serve(share, ['old', 'new'], { old: 10, new: 10 }, 20);
    expect(served).toEqual({ old: 100, new: 100 });
  });

  it('ignores jobs that are not served any more when a new one starts', () => {
    const share = new FairShare();
    serve(share, ['done'], { done: 5 }, 1);
    serve(share, ['busy'], { busy: 10 }, 50);
    share.order(['busy', 'new']);
    expect(share.spentMs('new')).toBe(share.spentMs('busy'));
  });

  it('charges a chunk in hand what one usually costs', () => {
    const share = new FairShare();
    share.order(['a', 'b']);
    share.begin('a')(10);
    share.begin('b')(10);
    const settle = share.begin(share.order(['a', 'b'])[0]!);
    expect(share.order(['a', 'b'])[0]).toBe('b');
    settle(0);
    expect(share.spentMs('a')).toBe(10);
  });
});
