import type { JobEvent, WorkerEvent } from '@downpour/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChunkReport } from './progress-reporter.ts';
import { ProgressReporter } from './progress-reporter.ts';

const chunk = (loss: number, examples = 100): ChunkReport => ({
  epoch: 0,
  chunk: 0,
  examples,
  steps: 2,
  pushes: 2,
  loss,
  accuracy: loss / 10,
  computeMs: 5,
});

describe('progress of a worker', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('sends at most one event per interval, with means of all chunks since the last, and never forgets the last chunk', () => {
    let now = 0;
    const events: JobEvent[] = [];
    const progress = new ProgressReporter(
      'worker-1',
      (event) => events.push(event),
      250,
      () => now,
    );
    for (const loss of [1, 2, 3]) {
      now += 10;
      progress.add(chunk(loss), now - 10);
    }
    expect(events).toHaveLength(1);
    now = 270;
    vi.advanceTimersByTime(250);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ examples: 300, steps: 6, loss: 2.5, accuracy: 0.25 });
    vi.advanceTimersByTime(1000);
    expect(events).toHaveLength(2);
  });

  it('measures examples per second over the last seconds, from the beginning of the first chunk', () => {
    let now = 1000;
    const events: WorkerEvent[] = [];
    const progress = new ProgressReporter(
      'worker-1',
      (event) => events.push(event as WorkerEvent),
      0,
      () => now,
    );
    progress.add(chunk(1), 0);
    now = 2000;
    progress.add(chunk(1), 1000);
    now = 60_000;
    progress.add(chunk(1), 59_500);
    expect(events.map((event) => event.examplesPerSecond)).toEqual([100, 100, 200]);
  });
});
